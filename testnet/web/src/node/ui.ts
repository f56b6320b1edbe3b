// What the person at the page has chosen (member, table, theme), and the store with what feeds it.
import { Source } from "../data";
import { keep_theme, kept_theme, Theme } from "../shared";
import { Store } from "./data";
import { Feed } from "./feed";

export class Ui extends Source {
  // The id of a spot on the ring; null: this node.
  selected: string | null = null;
  theme: Theme = kept_theme();

  constructor() {
    super();
    document.documentElement.dataset.theme = this.theme;
    matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => this.notify());
  }

  select(id: string | null): void {
    this.selected = id;
    this.notify();
  }

  set_theme(theme: Theme): void {
    this.theme = theme;
    document.documentElement.dataset.theme = theme;
    keep_theme(theme);
    this.notify();
  }

  light(): boolean {
    return this.theme === "light" || (this.theme === "auto" && matchMedia("(prefers-color-scheme: light)").matches);
  }
}

export const store = new Store();
export const feed = new Feed(store);
export const ui = new Ui();
