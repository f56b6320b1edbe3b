// A drawing on a canvas: its size, its colours, one frame at most for each that the screen shows, and the place that is chosen or pointed at.
//
// No frame is drawn before somebody asks for one; a picture that moves asks again from its frame.
import { palette } from "./shared";

// Where places stand on a canvas and how large their dots are.
export interface Places {
  x: Float32Array;
  y: Float32Array;
  cx: number;
  cy: number;
  dot: number;
}

// Which place is under the pointer. One that stands nowhere (NaN) is never.
export function nearest(places: Places, x: number, y: number): number | null {
  let best: number | null = null;
  let least = Math.max(10, places.dot * 1.6) ** 2;
  for (let i = 0; i < places.x.length; i++) {
    const d = (places.x[i]! - x) ** 2 + (places.y[i]! - y) ** 2;
    if (d < least) {
      least = d;
      best = i;
    }
  }
  return best;
}

export abstract class Picture<Name extends string = never> {
  frames = 0;
  abstract readonly layout: Places;
  protected readonly calm = matchMedia("(prefers-reduced-motion: reduce)");
  protected colours: Record<Name, string>;
  protected width = 0;
  protected height = 0;
  protected selected: number | null = null;
  protected hovered: number | null = null;
  private readonly context: CanvasRenderingContext2D;
  private asked = 0;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly names: readonly Name[],
  ) {
    this.context = canvas.getContext("2d")!;
    this.colours = palette(...names);
  }

  // Draws in the units of the page, on a canvas that is empty.
  protected abstract draw(c: CanvasRenderingContext2D, now: number): void;

  // After a change of the theme.
  repaint(): void {
    this.colours = palette(...this.names);
    this.touch();
  }

  resize(width: number, height: number): void {
    this.width = width;
    this.height = height;
    this.fit(this.canvas);
    this.touch();
  }

  select(i: number | null): void {
    if (i === this.selected) return;
    this.selected = i;
    this.ask();
  }

  hover(i: number | null): void {
    if (i === this.hovered) return;
    this.hovered = i;
    this.ask();
  }

  hit(x: number, y: number): number | null {
    return nearest(this.layout, x, y);
  }

  // As many dots as the screen has for it.
  protected fit(canvas: HTMLCanvasElement): void {
    const scale = this.scale();
    canvas.width = Math.round(this.width * scale);
    canvas.height = Math.round(this.height * scale);
  }

  protected scale(): number {
    return window.devicePixelRatio || 1;
  }

  // What is shown has changed.
  protected touch(): void {
    this.ask();
  }

  protected ask(): void {
    if (!this.asked) this.asked = requestAnimationFrame(() => this.frame());
  }

  private frame(): void {
    this.asked = 0;
    if (!this.width || !this.height) return;
    this.frames++;
    const c = this.context;
    const scale = this.scale();
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.clearRect(0, 0, this.canvas.width, this.canvas.height);
    c.setTransform(scale, 0, 0, scale, 0, 0);
    this.draw(c, performance.now());
  }
}
