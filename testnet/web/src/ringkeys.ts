// Keys by which one of a ring is chosen: arrows and pages go around it, Home and End to its ends, Escape chooses none.
import { Layout } from "./layout";

// What a key chooses, as `from` is chosen now; undefined: nothing, it is none of these.
export function chosen_by_key(key: string, layout: Layout, from: number | null): number | null | undefined {
  switch (key) {
    case "ArrowRight":
    case "ArrowDown":
      return layout.step(from, 1);
    case "ArrowLeft":
    case "ArrowUp":
      return layout.step(from, -1);
    case "PageDown":
      return layout.step(from, 10);
    case "PageUp":
      return layout.step(from, -10);
    case "Home":
      return layout.step(null, 1);
    case "End":
      return layout.step(null, -1);
    case "Escape":
      return null;
    default:
      return undefined;
  }
}
