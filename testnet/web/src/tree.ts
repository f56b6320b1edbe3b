// The broadcast tree on its canvas: the root in the middle, each level a circle around it, eager links as lines and lazy ones as thin ones.
// It does not move: a frame is drawn when something changed.
import { TreeAnswer } from "./api";
import { Node } from "./data";
import { draw_dots, kDotColours } from "./dots";
import { Picture } from "./picture";
import { draw_mark } from "./ringparts";
import { Link, Tree } from "./treelayout";

const kNames = [...kDotColours, "text", "dim", "line", "accent"] as const;
type Colours = Record<(typeof kNames)[number], string>;
// Lines become thinner with more of them, down to half at kMany nodes.
const kMany = 400;
const kHomeWidth = 2.2;
const kEagerWidth = 1.1;
const kLazyWidth = 0.7;
const kWayWidth = 2.4;
const kLazyAlpha = 0.3;
// Eager links beside the tree: a message comes twice there.
const kBesideAlpha = 0.45;

export class TreePicture extends Picture<keyof Colours> {
  readonly layout = new Tree();
  private nodes: Node[] = [];
  private lazy = false;

  constructor(canvas: HTMLCanvasElement) {
    super(canvas, kNames);
  }

  override resize(width: number, height: number): void {
    super.resize(width, height);
    this.layout.resize(width, height);
  }

  set(answer: TreeAnswer | null, nodes: Node[]): void {
    this.nodes = nodes;
    this.layout.set(answer, nodes.length);
    this.ask();
  }

  // How nodes look.
  set_nodes(nodes: Node[]): void {
    this.nodes = nodes;
    this.ask();
  }

  show_lazy(shown: boolean): void {
    this.lazy = shown;
    this.ask();
  }

  protected override draw(c: CanvasRenderingContext2D): void {
    this.draw_levels(c);
    this.draw_links(c);
    for (const i of [this.hovered, this.selected]) this.draw_way(c, i);
    draw_dots(c, this.layout, this.nodes, this.colours);
    this.draw_marks(c);
  }

  private draw_levels(c: CanvasRenderingContext2D): void {
    const { cx, cy, radii, outside, unreached } = this.layout;
    c.strokeStyle = this.colours.line;
    c.lineWidth = 1;
    const circle = (radius: number) => {
      c.beginPath();
      c.arc(cx, cy, radius, 0, 2 * Math.PI);
      c.stroke();
    };
    for (const radius of radii) if (radius > 0) circle(radius);
    if (!unreached.length) return;
    c.setLineDash([3, 5]);
    circle(outside);
    c.setLineDash([]);
  }

  private draw_links(c: CanvasRenderingContext2D): void {
    const { links, depths } = this.layout;
    const thin = 1 / (1 + Math.min(1, depths.size / kMany));
    const lines = (wanted: (link: Link) => boolean, width: number, alpha: number) => {
      c.strokeStyle = this.colours.dim;
      c.globalAlpha = alpha;
      c.lineWidth = width;
      c.beginPath();
      for (const link of links) if (wanted(link)) this.line(c, link);
      c.stroke();
      c.globalAlpha = 1;
    };
    if (this.lazy) lines((link) => !link.eager, kLazyWidth, kLazyAlpha);
    for (const home of [false, true]) {
      const width = (home ? kHomeWidth : kEagerWidth) * thin;
      lines((link) => link.eager && link.home === home && this.child_of(link) === null, width, kBesideAlpha);
      lines((link) => link.eager && link.home === home && this.child_of(link) !== null, width, 1);
    }
  }

  // Which end of a link is the other's child; null: it is no branch of the tree.
  private child_of({ a, b }: Link): number | null {
    const { parents } = this.layout;
    return parents.get(a) === b ? a : parents.get(b) === a ? b : null;
  }

  private line(c: CanvasRenderingContext2D, link: Link): void {
    const { x, y } = this.layout;
    const child = this.child_of(link);
    if (child !== null) {
      this.layout.branch(c, child, child === link.a ? link.b : link.a);
    } else {
      c.moveTo(x[link.a]!, y[link.a]!);
      c.lineTo(x[link.b]!, y[link.b]!);
    }
  }

  // The way that a message takes from the root, and the links of where it ends.
  private draw_way(c: CanvasRenderingContext2D, i: number | null): void {
    const { links, parents, depths } = this.layout;
    if (i === null || !depths.has(i)) return;
    c.strokeStyle = this.colours.accent;
    c.lineWidth = 1;
    c.globalAlpha = 0.6;
    c.beginPath();
    for (const link of links) if ((link.a === i || link.b === i) && (link.eager || this.lazy)) this.line(c, link);
    c.stroke();
    c.globalAlpha = 1;
    c.lineWidth = kWayWidth;
    c.beginPath();
    for (let at = i, up = parents.get(at); up !== undefined; at = up, up = parents.get(at)) this.layout.branch(c, at, up);
    c.stroke();
  }

  private draw_marks(c: CanvasRenderingContext2D): void {
    const mark = (i: number | null, colour: string, named: boolean) => {
      const node = i === null ? undefined : this.nodes[i];
      if (i === null || !node || !this.layout.depths.has(i)) return;
      draw_mark(c, this.layout, this.colours, i, colour, named ? node.name : null);
    };
    if (this.layout.root !== this.selected) mark(this.layout.root, this.colours.accent, false);
    if (this.hovered !== this.selected) mark(this.hovered, this.colours.dim, false);
    mark(this.selected, this.colours.text, true);
  }
}
