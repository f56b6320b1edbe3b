// The broadcast tree of a namespace: who is reached from the root over eager links, and where each node stands.
//
// A link counts as eager if either end says so: the two may disagree for a moment. Nodes that did not answer are reached but pass nothing
// on. Each has a part of the circle in proportion to the leaves below it, each leaf counted by the room that it needs so far from the root:
// so children stand beside each other, and no branch is crowded while another has room. Who is not reached stands on a ring outside.
import { TreeAnswer, TreeLink, TreeNode } from "./api";
import { Places } from "./picture";

// Of the size of the canvas: around the outermost ring, and between the last level and those not reached.
const kMargin = 18;
const kOutside = 0.12;
const kDotMin = 2;
const kDotMax = 6.5;
// Between the middles of two leaves beside each other, in dots.
const kLeafRoom = 2.4;
// Below 1: levels are nearer to each other further out, where circles are long anyway and the first ones need the room.
const kLevelPower = 0.72;

export interface Link {
  a: number;
  b: number;
  eager: boolean;
  home: boolean;
  rtt_ms: number | null;
}

function is_node(i: number, n: number): boolean {
  return Number.isInteger(i) && i >= 0 && i < n;
}

// Each pair of nodes once.
function links_of(nodes: TreeNode[], n: number): Link[] {
  const links = new Map<number, Link>();
  const add = (from: number, to: TreeLink, eager: boolean) => {
    if (!is_node(to.i, n) || to.i === from) return;
    const a = Math.min(from, to.i);
    const b = Math.max(from, to.i);
    const link = links.get(a * n + b);
    if (!link) {
      links.set(a * n + b, { a, b, eager, home: to.home, rtt_ms: to.rtt_ms });
    } else {
      link.eager ||= eager;
      link.home ||= to.home;
      link.rtt_ms ??= to.rtt_ms;
    }
  };
  for (const node of nodes) {
    for (const to of node.eager) add(node.i, to, true);
    for (const to of node.lazy) add(node.i, to, false);
  }
  return [...links.values()];
}

export class Tree implements Places {
  x = new Float32Array(0);
  y = new Float32Array(0);
  angle = new Float32Array(0);
  cx = 0;
  cy = 0;
  dot = kDotMin;
  // Of the circles of each level, the root's included, and of those not reached.
  radii: number[] = [];
  outside = 0;
  links: Link[] = [];
  root: number | null = null;
  // Nodes that answered, by index, and of each that stands somewhere how deep it is; null: not reached.
  answered = new Set<number>();
  depths = new Map<number, number | null>();
  parents = new Map<number, number>();
  children = new Map<number, number[]>();
  unreached: number[] = [];
  // Reached, the root first, in the order of their depth.
  private order: number[] = [];
  private widths: [number, number] = [0, 0];

  // `n`: how many nodes the testnet has.
  set(answer: TreeAnswer | null, n: number): void {
    const nodes = answer?.nodes.filter((node) => is_node(node.i, n)) ?? [];
    this.answered = new Set(nodes.map((node) => node.i));
    this.links = links_of(nodes, n);
    this.x = new Float32Array(n).fill(NaN);
    this.y = new Float32Array(n).fill(NaN);
    this.angle = new Float32Array(n);
    this.search(nodes);
    this.place(...this.widths);
  }

  resize(width: number, height: number): void {
    this.widths = [width, height];
    this.place(width, height);
  }

  private neighbours(): Map<number, { i: number; home: boolean }[]> {
    const out = new Map<number, { i: number; home: boolean }[]>();
    const add = (from: number, i: number, home: boolean) => {
      const list = out.get(from);
      if (list) list.push({ i, home });
      else out.set(from, [{ i, home }]);
    };
    for (const { a, b, eager, home } of this.links) {
      if (!eager) continue;
      add(a, b, home);
      add(b, a, home);
    }
    // Home links first, so that they are branches where there is a choice; then always in one order, so that the picture stands still.
    for (const list of out.values()) list.sort((p, q) => Number(q.home) - Number(p.home) || p.i - q.i);
    return out;
  }

  // Who says to be the root; of several, or if none does, the best connected one.
  private root_of(nodes: TreeNode[], degree: (i: number) => number): number | null {
    const said = nodes.filter((node) => node.root);
    const best = (said.length ? said : nodes).reduce<TreeNode | null>((best, node) => (best && degree(best.i) >= degree(node.i) ? best : node), null);
    return best?.i ?? null;
  }

  private search(nodes: TreeNode[]): void {
    const neighbours = this.neighbours();
    this.root = this.root_of(nodes, (i) => neighbours.get(i)?.length ?? 0);
    this.depths.clear();
    this.parents.clear();
    this.children.clear();
    this.order = this.root === null ? [] : [this.root];
    if (this.root !== null) this.depths.set(this.root, 0);
    for (const at of this.order) {
      if (!this.answered.has(at)) continue;
      const found = (neighbours.get(at) ?? []).map(({ i }) => i).filter((i) => !this.depths.has(i));
      for (const i of found) {
        this.depths.set(i, this.depths.get(at)! + 1);
        this.parents.set(i, at);
      }
      found.sort((p, q) => p - q);
      this.children.set(at, found);
      this.order.push(...found);
    }
    this.unreached = nodes.map((node) => node.i).filter((i) => !this.depths.has(i));
    this.unreached.sort((p, q) => p - q);
    for (const i of this.unreached) this.depths.set(i, null);
  }

  private place(width: number, height: number): void {
    this.cx = width / 2;
    this.cy = height / 2;
    const radius = Math.max(40, Math.min(width, height) / 2 - kMargin);
    this.outside = radius;
    const inside = this.unreached.length ? radius * (1 - kOutside) : radius;
    const deepest = Math.max(0, ...this.order.map((i) => this.depths.get(i)!));
    this.radii = Array.from({ length: deepest + 1 }, (_, depth) => (depth ? inside * (depth / deepest) ** kLevelPower : 0));
    const need = this.needs();
    const room = (2 * Math.PI) / Math.max(need.get(this.root ?? -1) ?? 0, this.unreached.length / radius);
    this.dot = Math.max(kDotMin, Math.min(kDotMax, room / kLeafRoom));
    const wedges = this.wedges(need);
    for (const i of this.order) {
      const [begin, end] = wedges.get(i)!;
      this.stand(i, (begin + end) / 2, this.radii[this.depths.get(i)!]!);
    }
    this.unreached.forEach((i, at) => this.stand(i, (2 * Math.PI * at) / this.unreached.length, radius));
  }

  private stand(i: number, angle: number, radius: number): void {
    this.angle[i] = angle;
    [this.x[i], this.y[i]] = this.at(angle, radius);
  }

  private at(angle: number, radius: number): [number, number] {
    return [this.cx + radius * Math.sin(angle), this.cy - radius * Math.cos(angle)];
  }

  // Adds the line of a node to its parent to the path. It leaves both towards the root or away from it, so that it crosses no other branch.
  branch(c: CanvasRenderingContext2D, child: number, parent: number): void {
    const depth = this.depths.get(child)!;
    const half = (this.radii[depth]! + this.radii[depth - 1]!) / 2;
    // The root has no angle of its own.
    const from = this.angle[depth > 1 ? parent : child]!;
    c.moveTo(this.x[parent]!, this.y[parent]!);
    c.bezierCurveTo(...this.at(from, half), ...this.at(this.angle[child]!, half), this.x[child]!, this.y[child]!);
  }

  // What part of the circle each needs, in units of a leaf's room: a leaf twice as far from the root needs half of it.
  private needs(): Map<number, number> {
    const need = new Map<number, number>();
    for (let at = this.order.length - 1; at >= 0; at--) {
      const i = this.order[at]!;
      const own = i === this.root ? 0 : 1 / this.radii[this.depths.get(i)!]!;
      const below = (this.children.get(i) ?? []).reduce((sum, child) => sum + need.get(child)!, 0);
      need.set(i, Math.max(own, below));
    }
    return need;
  }

  // The angles between which each node and what is below it stands.
  private wedges(need: Map<number, number>): Map<number, [number, number]> {
    const out = new Map<number, [number, number]>();
    for (const i of this.order) {
      if (i === this.root) out.set(i, [0, 2 * Math.PI]);
      const [begin, end] = out.get(i)!;
      const children = this.children.get(i) ?? [];
      const sum = children.reduce((sum, child) => sum + need.get(child)!, 0);
      let from = begin;
      for (const child of children) {
        const to = from + ((end - begin) * need.get(child)!) / sum;
        out.set(child, [from, to]);
        from = to;
      }
    }
    return out;
  }

  // Of the nodes that answered.
  figures(): { nodes: number; reached: number; depth: number; depth_mean: number; eager_mean: number; silent: number } {
    const depths = [...this.answered].map((i) => this.depths.get(i) ?? null).filter((depth) => depth !== null);
    const below = depths.filter((depth) => depth > 0);
    const eager = this.links.filter((link) => link.eager).length;
    return {
      nodes: this.answered.size,
      reached: depths.length,
      depth: depths.reduce((most, depth) => Math.max(most, depth), 0),
      depth_mean: below.length ? below.reduce((sum, depth) => sum + depth, 0) / below.length : 0,
      eager_mean: this.depths.size ? (2 * eager) / this.depths.size : 0,
      silent: this.order.filter((i) => !this.answered.has(i)).length,
    };
  }

  links_at(i: number): { eager: number; home: number; lazy: number } {
    const all = this.links.filter((link) => link.a === i || link.b === i);
    const eager = all.filter((link) => link.eager);
    return { eager: eager.length, home: eager.filter((link) => link.home).length, lazy: all.length - eager.length };
  }

  // From whom a node has what it gets, and how far that is.
  parent_of(i: number): { i: number; rtt_ms: number | null } | null {
    const parent = this.parents.get(i);
    if (parent === undefined) return null;
    const link = this.links.find(({ a, b }) => (a === i && b === parent) || (a === parent && b === i));
    return { i: parent, rtt_ms: link?.rtt_ms ?? null };
  }

  // Up to the parent, down to the first child, left and right to siblings, from the root if none is chosen.
  chosen_by_key(key: string, from: number | null): number | null | undefined {
    const at = from !== null && this.depths.has(from) ? from : null;
    const aside = (by: number): number | null => {
      if (at === null) return this.root;
      const parent = this.parents.get(at);
      const row = this.depths.get(at) === null ? this.unreached : parent === undefined ? [at] : this.children.get(parent)!;
      return row[(row.indexOf(at) + by + row.length) % row.length]!;
    };
    switch (key) {
      case "ArrowUp":
        return at === null ? this.root : (this.parents.get(at) ?? at);
      case "ArrowDown":
        return at === null ? this.root : (this.children.get(at)?.[0] ?? at);
      case "ArrowLeft":
        return aside(-1);
      case "ArrowRight":
        return aside(1);
      case "Home":
        return this.root;
      case "Escape":
        return null;
      default:
        return undefined;
    }
  }
}
