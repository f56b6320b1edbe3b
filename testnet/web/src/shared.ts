// What both pages use: the hook that follows sources, the colours of style.css, and the theme that was chosen.
import { useEffect, useReducer } from "preact/hooks";
import { Source } from "./data";

export function use(...sources: Source[]): void {
  const [, again] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    const ends = sources.map((source) => source.subscribe(() => again(0)));
    again(0);
    return () => ends.forEach((end) => end());
  }, []);
}

// The colours of style.css as a canvas can use them. A probe element, because a custom property is not resolved by itself.
export function palette<Name extends string>(...names: Name[]): Record<Name, string> {
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const colours = {} as Record<Name, string>;
  for (const name of names) {
    probe.style.color = `var(--${name})`;
    colours[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return colours;
}

export type Theme = "auto" | "dark" | "light";

const kTheme = "weft-theme";

export function kept_theme(): Theme {
  try {
    const kept = localStorage.getItem(kTheme);
    return kept === "dark" || kept === "light" ? kept : "auto";
  } catch {
    return "auto";
  }
}

export function keep_theme(theme: Theme): void {
  try {
    localStorage.setItem(kTheme, theme);
  } catch {
    // Then it holds for this visit.
  }
}
