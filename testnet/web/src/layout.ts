// Where each node stands on the ring, and which one is under the pointer.
//
// The angle is the first 32 bits of the id. Ids crowd, so a node that would cover its neighbour moves to a lane further in; there are
// kLanes at most, and no more than fit in kDepth of the radius; beyond that nodes overlap. Computed anew only when the size, an id or
// the number of nodes changes.

const kLanes = 7;
const kDepth = 0.27;

export class Layout {
  x = new Float32Array(0);
  y = new Float32Array(0);
  // Indices in the order of their angles, for the arrow keys.
  order: number[] = [];
  radius = 0;
  dot = 4;
  cx = 0;
  cy = 0;
  private key = "";

  // Whether anything moved.
  update(nodes: readonly { id: string }[], width: number, height: number): boolean {
    const key = `${width},${height},${nodes.map((node) => node.id.slice(0, 8)).join()}`;
    if (key === this.key) return false;
    this.key = key;
    const n = nodes.length;
    this.cx = width / 2;
    this.cy = height / 2;
    this.radius = Math.max(40, Math.min(width, height) / 2 - 22);
    this.dot = Math.max(2.2, Math.min(6.5, (this.radius * 4.2) / Math.max(1, n)));
    const angles = nodes.map((node, i) => angle_of(node.id) ?? (2 * Math.PI * i) / n);
    this.order = nodes.map((_, i) => i).sort((a, b) => angles[a]! - angles[b]!);
    this.x = new Float32Array(n);
    this.y = new Float32Array(n);
    const gap = this.dot * 2.3;
    const lanes = Math.max(1, Math.min(kLanes, Math.floor((kDepth * this.radius) / gap)));
    const last = new Array<number>(lanes).fill(-Infinity);
    for (const i of this.order) {
      const angle = angles[i]!;
      let lane = 0;
      let widest = 0;
      for (let l = 0; l < lanes; l++) {
        if (angle - last[l]! >= gap / this.lane_radius(l)) {
          lane = l;
          break;
        }
        if (last[l]! < last[widest]!) widest = l;
        lane = widest;
      }
      last[lane] = angle;
      const r = this.lane_radius(lane);
      this.x[i] = this.cx + r * Math.sin(angle);
      this.y[i] = this.cy - r * Math.cos(angle);
    }
    return true;
  }

  private lane_radius(lane: number): number {
    return this.radius - lane * this.dot * 2.3;
  }

  // On the circle's inside, where something that is no node may be marked.
  at(angle: number, r: number): [number, number] {
    return [this.cx + r * Math.sin(angle), this.cy - r * Math.cos(angle)];
  }

  // The node `by` places on; from the top if none is selected.
  step(from: number | null, by: number): number | null {
    const n = this.order.length;
    if (!n) return null;
    if (from === null) return this.order[by > 0 ? 0 : n - 1]!;
    return this.order[(this.order.indexOf(from) + by + n) % n]!;
  }
}

export function angle_of(id: string | undefined): number | null {
  if (!id || id.length < 8) return null;
  const bits = Number.parseInt(id.slice(0, 8), 16);
  return Number.isNaN(bits) ? null : (bits / 2 ** 32) * 2 * Math.PI;
}
