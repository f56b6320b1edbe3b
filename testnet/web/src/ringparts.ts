// What the rings of both pages draw alike: the circle, lines bent to the middle, the words in it, and the mark of a chosen one.
import { Layout } from "./layout";
import { Places } from "./picture";

type Context = CanvasRenderingContext2D;

export function draw_circle(c: Context, layout: Layout, colour: string): void {
  const { cx, cy, radius } = layout;
  c.strokeStyle = colour;
  c.lineWidth = 1;
  c.beginPath();
  c.arc(cx, cy, radius + 12, 0, 2 * Math.PI);
  for (let tick = 0; tick < 16; tick++) {
    const angle = (tick * Math.PI) / 8;
    c.moveTo(...layout.at(angle, radius + 12));
    c.lineTo(...layout.at(angle, radius + (tick % 4 ? 16 : 20)));
  }
  c.stroke();
}

// The point to which a line between two nodes bends.
export function bend({ x, y, cx, cy }: Places, from: number, to: number): [number, number] {
  const mx = (x[from]! + x[to]!) / 2;
  const my = (y[from]! + y[to]!) / 2;
  return [mx + (cx - mx) * 0.45, my + (cy - my) * 0.45];
}

// Adds a line to the path, bent to the middle, so that lines between neighbours do not hide behind the nodes; gives the point it bends to.
export function bow(c: Context, layout: Places, from: number, to: number): [number, number] {
  const { x, y } = layout;
  const [bx, by] = bend(layout, from, to);
  c.moveTo(x[from]!, y[from]!);
  c.quadraticCurveTo(bx, by, x[to]!, y[to]!);
  return [bx, by];
}

// With a rim so that they can be read over lines.
export function draw_words(c: Context, layout: Layout, colours: Record<"panel" | "text" | "dim", string>, big: string, small: string): void {
  const { cx, cy, radius } = layout;
  c.textAlign = "center";
  c.textBaseline = "middle";
  c.lineJoin = "round";
  c.lineWidth = 6;
  c.strokeStyle = colours.panel;
  const word = (text: string, y: number, font: string, colour: string) => {
    c.font = font;
    c.strokeText(text, cx, y);
    c.fillStyle = colour;
    c.fillText(text, cx, y);
  };
  word(big, cy - radius * 0.06, `600 ${Math.round(Math.min(64, radius / 3.4))}px system-ui, sans-serif`, colours.text);
  word(small, cy + radius * 0.14, `${Math.round(Math.max(11, Math.min(15, radius / 15)))}px system-ui, sans-serif`, colours.dim);
}

// A ring around place i, and `name` on its inner side unless it is null.
export function draw_mark(c: Context, layout: Places, colours: Record<"panel" | "text", string>, i: number, colour: string, name: string | null): void {
  const { cx, cy, dot } = layout;
  const x = layout.x[i]!;
  const y = layout.y[i]!;
  c.strokeStyle = colour;
  c.lineWidth = 2;
  c.beginPath();
  c.arc(x, y, dot + 4.5, 0, 2 * Math.PI);
  c.stroke();
  if (name === null) return;
  const far = Math.hypot(x - cx, y - cy) || 1;
  const back = dot + 26;
  const tx = x - ((x - cx) / far) * back;
  const ty = y - ((y - cy) / far) * back;
  c.font = "600 12px system-ui, sans-serif";
  c.textAlign = "center";
  c.textBaseline = "middle";
  c.lineWidth = 4;
  c.lineJoin = "round";
  c.strokeStyle = colours.panel;
  c.strokeText(name, tx, ty);
  c.fillStyle = colours.text;
  c.fillText(name, tx, ty);
}
