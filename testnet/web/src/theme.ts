// The theme that was chosen, which both pages of weft share: automatic, dark or light, kept for the next visit.
import { Source } from "./data";
import { keep_theme, kept_theme, Theme } from "./shared";

export class Themed extends Source {
  theme: Theme = kept_theme();

  constructor() {
    super();
    document.documentElement.dataset.theme = this.theme;
    matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => this.notify());
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
