// What the person at the page has chosen (node, view, theme, the lookup shown), the store and stream, and hooks to follow them.
import { Lookup } from "./api";
import { Source, Store } from "./data";
import { Theme, keep_theme, kept_theme } from "./shared";
import { Stream } from "./stream";

export { palette, use } from "./shared";
export type { Theme } from "./shared";

export type View = "ring" | "heatmap";

export class Ui extends Source {
  selected: number | null = null;
  view: View = "ring";
  theme: Theme = kept_theme();
  // From which node, its answer, and a number that is new for every showing of it.
  lookup: { from: number; key: string; answer: Lookup; shown: number } | null = null;

  constructor() {
    super();
    document.documentElement.dataset.theme = this.theme;
    matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => this.notify());
  }

  select(i: number | null): void {
    this.selected = i;
    this.notify();
  }

  set_view(view: View): void {
    this.view = view;
    this.notify();
  }

  set_theme(theme: Theme): void {
    this.theme = theme;
    document.documentElement.dataset.theme = theme;
    keep_theme(theme);
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

  light(): boolean {
    return this.theme === "light" || (this.theme === "auto" && matchMedia("(prefers-color-scheme: light)").matches);
  }
}

export const store = new Store();
export const stream = new Stream(store);
export const ui = new Ui();
