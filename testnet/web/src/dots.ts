// Nodes as dots on a canvas, in the colours of how they look, alike in each view of a testnet.
import { Look, Node, look_of } from "./data";
import { Places } from "./picture";

export const kDotColours = ["ok", "starting", "warn", "bad", "paused", "dead", "panel"] as const;
export type DotColours = Record<(typeof kDotColours)[number], string>;

const kLookColour: Record<Look, keyof DotColours> = {
  running: "ok",
  starting: "starting",
  suspect: "warn",
  failed: "bad",
  paused: "paused",
  dead: "dead",
};

// A circle; a diamond for who is cut off.
function outline(c: CanvasRenderingContext2D, x: number, y: number, r: number, cut_off: boolean): void {
  if (cut_off) {
    const d = r * 1.45;
    c.moveTo(x, y - d);
    c.lineTo(x + d, y);
    c.lineTo(x, y + d);
    c.lineTo(x - d, y);
    c.closePath();
  } else {
    c.moveTo(x + r, y);
    c.arc(x, y, r, 0, 2 * Math.PI);
  }
}

// Those that stand somewhere.
export function draw_dots(c: CanvasRenderingContext2D, places: Places, nodes: readonly (Node | undefined)[], colours: DotColours): void {
  const { x, y, dot } = places;
  // One path for each way to look: a fill for a thousand arcs costs as much as for one.
  const groups = new Map<Look, number[]>();
  for (let i = 0; i < nodes.length; i++) {
    const node = nodes[i];
    if (!node || i >= x.length || Number.isNaN(x[i])) continue;
    const key = look_of(node);
    const group = groups.get(key);
    if (group) group.push(i);
    else groups.set(key, [i]);
  }
  // What matters most last, so that it lies on top.
  for (const look of ["dead", "paused", "running", "starting", "suspect", "failed"] as Look[]) {
    const group = groups.get(look);
    if (!group) continue;
    const colour = colours[kLookColour[look]];
    const hollow = look === "dead" || look === "starting";
    c.beginPath();
    for (const i of group) outline(c, x[i]!, y[i]!, hollow ? dot - 0.6 : dot, nodes[i]!.cut_off);
    if (hollow) {
      c.fillStyle = colours.panel;
      c.fill();
      c.strokeStyle = colour;
      c.lineWidth = Math.min(1.5, dot / 2);
      c.stroke();
    } else {
      c.fillStyle = colour;
      c.fill();
    }
  }
}
