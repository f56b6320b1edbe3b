// What the person at the page has chosen (node, view, theme, the lookup shown), the store and stream, and hooks to follow them.
import { Lookup } from "./api";
import { Store } from "./data";
import { Flow } from "./flow";
import { Stream } from "./stream";
import { Themed } from "./theme";

export { palette, use } from "./shared";

export type View = "ring" | "heatmap" | "tree";

export class Ui extends Themed {
  selected: number | null = null;
  view: View = "ring";
  // The namespace whose broadcast tree is shown; null: the first.
  space: string | null = null;
  // Whether messages are drawn on the ring.
  messages = false;
  // From which node, its answer, and a number that is new for every showing of it.
  lookup: { from: number; key: string; answer: Lookup; shown: number } | null = null;

  select(i: number | null): void {
    this.selected = i;
    this.notify();
  }

  set_view(view: View): void {
    this.view = view;
    this.notify();
  }

  show_messages(shown: boolean): void {
    this.messages = shown;
    this.notify();
  }

  choose_space(space: string): void {
    this.space = space;
    this.notify();
  }

  show_lookup(from: number, key: string, answer: Lookup): void {
    this.lookup = { from, key, answer, shown: (this.lookup?.shown ?? 0) + 1 };
    this.view = "ring";
    this.notify();
  }

  replay(): void {
    if (this.lookup) this.show_lookup(this.lookup.from, this.lookup.key, this.lookup.answer);
  }

  close_lookup(): void {
    this.lookup = null;
    this.notify();
  }
}

export const store = new Store();
export const stream = new Stream(store);
export const flow = new Flow();
export const ui = new Ui();
