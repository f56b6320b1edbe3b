// Messages between nodes as dots that fly over the ring, each kDelayMs after it was sent: the server asks the nodes in turn, so what it
// tells is up to some four seconds old, and a constant delay keeps the order and the pauses that there were.
//
// Bounds: kQueued messages wait to be drawn and kFlying are in the air; a server's answer has its own. What is left out is counted.
import { FlowAnswer, FlowKind } from "./api";
import { Source } from "./data";
import { Places } from "./picture";
import { bend } from "./ringparts";

export const kDelayMs = 5000;
const kFlightMs = 600;
const kQueued = 20_000;
const kFlying = 1000;
// Answers that differ by more in what time it is are of another clock: the testnet's began anew, or this machine slept.
const kClockMs = 1000;
// The part of the way that a dot's tail covers.
const kTail = 0.09;
const kTailWidth = 1.2;
// A dot's radius, of the smallest message and of one of kLargeBytes, the largest that a datagram carries.
const kDotMin = 1.5;
const kDotMax = 3.2;
const kLargeBytes = 1232;
// With so many in the air dots are drawn at kCrowdedSize, with fewer in between.
const kCrowded = 800;
const kCrowdedSize = 0.65;

export const kFlowKinds = ["membership", "lookup", "value", "state", "other"] as const satisfies readonly FlowKind[];
export const kFlowColours = ["flow-membership", "flow-lookup", "flow-value", "flow-state", "flow-other"] as const;
export type FlowColours = Record<(typeof kFlowColours)[number], string>;

interface Flight {
  from: number;
  to: number;
  kind: FlowKind;
  radius: number;
  begin: number;
}

function concerns(flight: Flight, node: number | null): boolean {
  return node === null || flight.from === node || flight.to === node;
}

function radius_of(bytes: number): number {
  return kDotMin + (kDotMax - kDotMin) * Math.sqrt(Math.min(1, bytes / kLargeBytes));
}

// Where on the line from `from` to `to` that `bow` draws, `part` of it from its begin.
function on_bow(places: Places, flight: Flight, bx: number, by: number, part: number): [number, number] {
  const a = (1 - part) ** 2;
  const b = 2 * part * (1 - part);
  const d = part ** 2;
  const { x, y } = places;
  return [a * x[flight.from]! + b * bx + d * x[flight.to]!, a * y[flight.from]! + b * by + d * y[flight.to]!];
}

export class Flow extends Source {
  // Since the switch was turned on.
  drawn = 0;
  not_drawn = 0;
  // What the next question goes on from; null: from now on.
  cursor: number | null = null;
  private queue: Flight[] = [];
  private flying: Flight[] = [];
  // From the testnet's clock to the page's.
  private offset: number | null = null;

  figures(): { drawn: number; flying: number; queued: number; not_drawn: number } {
    return { drawn: this.drawn, flying: this.flying.length, queued: this.queue.length, not_drawn: this.not_drawn };
  }

  clear(): void {
    this.drawn = this.not_drawn = 0;
    this.pause();
    this.notify();
  }

  // Nobody looks for a while; what was counted stays.
  pause(): void {
    this.cursor = null;
    this.offset = null;
    this.queue = [];
    this.flying = [];
  }

  take(answer: FlowAnswer, now: number): void {
    this.cursor = answer.cursor;
    const offset = now - answer.t_ms;
    // The least that was seen: an answer that was long on its way must not move the others.
    this.offset = this.offset === null || Math.abs(offset - this.offset) > kClockMs ? offset : Math.min(offset, this.offset);
    this.not_drawn += answer.left_out;
    for (const [t_ms, from, to, kind, bytes] of answer.messages) {
      const begin = t_ms + this.offset + kDelayMs;
      if (this.queue.length >= kQueued || begin + kFlightMs < now) this.not_drawn++;
      else this.queue.push({ from, to, kind, radius: radius_of(bytes), begin });
    }
    this.notify();
  }

  // For how long nothing is to be drawn: 0 while something flies, null while nothing waits.
  wait(now: number): number | null {
    if (this.flying.length) return 0;
    if (!this.queue.length) return null;
    return this.queue.reduce((least, flight) => Math.min(least, Math.max(0, flight.begin - now)), Infinity);
  }

  // Those of `node` alone unless it is null.
  draw(c: CanvasRenderingContext2D, places: Places, colours: FlowColours, node: number | null, now: number): void {
    this.launch(places, node, now);
    const size = 1 - (1 - kCrowdedSize) * Math.min(1, this.flying.length / kCrowded);
    const paths = new Map<FlowKind, { tails: Path2D; dots: Path2D }>();
    for (const flight of this.flying) {
      if (!concerns(flight, node)) continue;
      let path = paths.get(flight.kind);
      if (!path) paths.set(flight.kind, (path = { tails: new Path2D(), dots: new Path2D() }));
      const part = (now - flight.begin) / kFlightMs;
      const [bx, by] = bend(places, flight.from, flight.to);
      const [x, y] = on_bow(places, flight, bx, by, part);
      path.tails.moveTo(...on_bow(places, flight, bx, by, Math.max(0, part - kTail)));
      path.tails.lineTo(x, y);
      const radius = flight.radius * size;
      path.dots.moveTo(x + radius, y);
      path.dots.arc(x, y, radius, 0, 2 * Math.PI);
    }
    c.lineWidth = kTailWidth;
    for (const [kind, path] of paths) {
      c.strokeStyle = c.fillStyle = colours[`flow-${kind}`];
      c.globalAlpha = 0.5;
      c.stroke(path.tails);
      c.globalAlpha = 1;
      c.fill(path.dots);
    }
  }

  // Ends flights and begins those whose time has come. The order in which they wait does not matter.
  private launch(places: Places, node: number | null, now: number): void {
    const known = places.x.length;
    this.flying = this.flying.filter((flight) => now - flight.begin < kFlightMs && flight.from < known && flight.to < known);
    for (let at = this.queue.length - 1; at >= 0; at--) {
      const flight = this.queue[at]!;
      if (flight.begin > now) continue;
      const last = this.queue.pop()!;
      if (at < this.queue.length) this.queue[at] = last;
      if (!concerns(flight, node)) continue;
      if (this.flying.length < kFlying && now - flight.begin < kFlightMs && flight.from < known && flight.to < known) {
        this.flying.push(flight);
        this.drawn++;
      } else {
        this.not_drawn++;
      }
    }
  }
}
