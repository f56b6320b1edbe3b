// What is looked at and how: theme, the stretch of time shown, the time under the cursor; and how values are written.
import { Source } from "../data";
import { Theme, keep_theme, kept_theme } from "../shared";

export type { Theme };

class ThemeChoice extends Source {
  theme: Theme = kept_theme();

  constructor() {
    super();
    document.documentElement.dataset.theme = this.theme;
    matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => this.notify());
    // Paper is white, and what is drawn on a canvas has its colours already.
    addEventListener("beforeprint", () => this.show("light"));
    addEventListener("afterprint", () => this.show(this.theme));
  }

  set(theme: Theme): void {
    this.theme = theme;
    keep_theme(theme);
    this.show(theme);
  }

  private show(theme: Theme): void {
    document.documentElement.dataset.theme = theme;
    this.notify();
  }
}

// The stretch of time that the timeline and the charts below it show.
class Stretch extends Source {
  min = 0;
  max = 1;
  end = 1;

  whole(end: number): void {
    this.end = end;
    this.set(0, end);
  }

  set(min: number, max: number): void {
    this.min = Math.max(0, min);
    this.max = Math.min(this.end, max);
    this.notify();
  }

  all(): boolean {
    return this.min === 0 && this.max === this.end;
  }

  share(t: number): number {
    return (t - this.min) / (this.max - this.min);
  }
}

class Cursor extends Source {
  t: number | null = null;

  set(t: number | null): void {
    if (t === this.t) return;
    this.t = t;
    this.notify();
  }
}

export const theme = new ThemeChoice();
export const stretch = new Stretch();
export const cursor = new Cursor();

const kSpace = "\u2009";

export function number(x: number): string {
  const size = Math.abs(x);
  if (size >= 1000) return Math.round(x).toLocaleString("en-US");
  if (size < 1) return String(Number(x.toPrecision(3)));
  return String(Number(x.toFixed(Number.isInteger(x) || size >= 100 ? 0 : size >= 10 ? 1 : 2)));
}

export function short(x: number): string {
  const size = Math.abs(x);
  if (size >= 1e9) return `${number(x / 1e9)}G`;
  if (size >= 1e6) return `${number(x / 1e6)}M`;
  if (size >= 1e4) return `${number(x / 1e3)}k`;
  return number(x);
}

export function percent(x: number): string {
  const p = x * 100;
  // Never 100 for what is less.
  const digits = p === 100 || p === 0 ? 0 : p > 99.9 || p < 0.1 ? 3 : p > 99 || p < 1 ? 2 : 1;
  const rounded = Number(p.toFixed(digits));
  return `${p < 100 && rounded >= 100 ? 99.999 : rounded}${kSpace}%`;
}

export function ms(x: number): string {
  return x >= 10_000 ? `${number(x / 1000)}${kSpace}s` : `${number(x)}${kSpace}ms`;
}

export function seconds(x: number): string {
  return `${number(x)}${kSpace}s`;
}

// A moment of the run: seconds while it is short, else minutes or hours.
export function moment(t: number, end: number): string {
  if (end <= 180) return `${Number(t.toFixed(end <= 20 ? 2 : 1))}${kSpace}s`;
  const whole = Math.floor(t);
  const two = (n: number) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
