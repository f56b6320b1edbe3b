// What the server tells (the types of its JSON) and the store that keeps it.
//
// Bounds: kMaxPoints seconds of history, kMaxEvents events, of which kMaxRuns of processes outlive any flood of sightings. Who listens
// is called once for every message, not for every node.

export type Run = "running" | "paused" | "dead";
export type Sight = "alive" | "suspect" | "failed" | "left";

export interface Seen {
  alive: number;
  suspect: number;
  failed: number;
  left: number;
}

export interface Node {
  i: number;
  name: string;
  id: string;
  run: Run;
  ready: boolean;
  pid: number | null;
  listen: string[];
  starts: number;
  cut_off: boolean;
  members: number;
  seen: Seen;
}

export interface Summary {
  running: number;
  paused: number;
  dead: number;
  members_min: number;
  members_median: number;
  members_max: number;
  converged: boolean;
  false_failures: number;
  ended_by_themselves: number;
  link: string;
  cut_off: number;
  one_way: boolean;
  churning: boolean;
  // Of a replay: where the run stands, and whether the recording is at its end.
  phase?: string;
  ended?: boolean;
}

export interface Op {
  n: number;
  // Of n; a recording does not tell it.
  failed?: number | null;
  p50_ms: number | null;
  p99_ms: number | null;
}

export interface Point {
  t_ms: number;
  running: number;
  members_min: number;
  members_median: number;
  members_max: number;
  false_failures: number;
  suspects: number;
  failed: number;
  bytes_per_node_s: number | null;
  packets_per_node_s: number | null;
  ops: null | { put: Op; get: Op; lookup: Op };
  cpu_share: number | null;
  values: number | null;
  // Live copies of a value, in the mean, and how long after it was written an entry of shared state came. A recording does not tell them.
  copies?: number | null;
  state_lag_p50_ms?: number | null;
  state_lag_p99_ms?: number | null;
}

export type Event =
  | { t_ms: number; what: "sight"; by: number; about: number; state: Sight }
  | { t_ms: number; what: "run"; node: number; run: Run }
  | { t_ms: number; what: "ready"; node: number };

export interface State {
  t_ms: number;
  wall_ms: number;
  network: string;
  dir: string;
  version: string;
  nodes: Node[];
  summary: Summary;
  points: Point[];
  // A recording: it can be watched and not changed.
  replay?: boolean;
  length_ms?: number;
  speed?: number;
}

export interface Change {
  t_ms: number;
  nodes: Node[];
  summary: Summary;
  point?: Point;
  events: Event[];
  events_left_off: number;
}

export const kMaxPoints = 600;
export const kMaxEvents = 500;
const kMaxRuns = 150;

// Somebody to call when something is new.
export class Source {
  private listeners = new Set<() => void>();

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  protected notify(): void {
    for (const listener of this.listeners) listener();
  }
}

export interface NumberedEvent {
  n: number;
  event: Event;
}

export class Store extends Source {
  state: State | null = null;
  // Oldest first.
  events: NumberedEvent[] = [];
  // How many events there were that we do not have: the server's bound and ours.
  events_left_off = 0;
  // Those of the last message alone, for the ring's flashes.
  fresh: Event[] = [];
  private began_ms = 0;
  private next = 0;
  private by_id = new Map<string, number>();

  snapshot(state: State): void {
    // Of another testnet than before: its events would mislead.
    // A recording stands still at its end: it is the same as long as its time does not go back.
    const again = state.replay && this.state?.dir === state.dir && state.t_ms >= this.state.t_ms;
    const began = again ? this.began_ms : state.wall_ms - state.t_ms;
    if (Math.abs(began - this.began_ms) > 5000) {
      this.events = [];
      this.events_left_off = 0;
    }
    this.began_ms = began;
    const nodes: Node[] = [];
    for (const node of state.nodes) nodes[node.i] = node;
    this.state = { ...state, nodes, points: state.points.slice(-kMaxPoints) };
    this.by_id.clear();
    for (const node of state.nodes) if (node.id) this.by_id.set(node.id, node.i);
    this.fresh = [];
    this.notify();
  }

  change(change: Change): void {
    const state = this.state;
    if (!state) return;
    state.t_ms = change.t_ms;
    state.summary = change.summary;
    for (const node of change.nodes) {
      state.nodes[node.i] = node;
      if (node.id) this.by_id.set(node.id, node.i);
    }
    if (change.point) {
      state.points.push(change.point);
      if (state.points.length > kMaxPoints) state.points.splice(0, state.points.length - kMaxPoints);
    }
    for (const event of change.events) this.events.push({ n: this.next++, event });
    this.bound_events();
    this.events_left_off += change.events_left_off ?? 0;
    this.fresh = change.events;
    this.notify();
  }

  private bound_events(): void {
    let over = this.events.length - kMaxEvents;
    if (over <= 0) return;
    this.events_left_off += over;
    let runs = this.events.reduce((n, each) => n + (each.event.what === "sight" ? 0 : 1), 0);
    this.events = this.events.filter((each) => {
      if (over <= 0) return true;
      if (each.event.what !== "sight" && runs-- <= kMaxRuns) return true;
      over--;
      return false;
    });
  }

  node(i: number | null): Node | null {
    return (i === null ? null : this.state?.nodes[i]) ?? null;
  }

  name(i: number): string {
    return this.state?.nodes[i]?.name ?? `#${i}`;
  }

  index_of(id: string): number | null {
    return this.by_id.get(id) ?? null;
  }

  // Who can be asked for something.
  usable(): Node[] {
    return this.state?.nodes.filter((node) => node.run === "running" && node.ready) ?? [];
  }
}

// How a node looks: its process first, then what the others believe of it.
export type Look = "running" | "starting" | "suspect" | "failed" | "paused" | "dead";

export function look_of(node: Node): Look {
  if (node.run === "dead") return "dead";
  if (node.run === "paused") return "paused";
  if (node.seen.failed > 0) return "failed";
  if (node.seen.suspect > 0) return "suspect";
  return node.ready ? "running" : "starting";
}

export function look_text(node: Node): string {
  const words: Record<Look, string> = {
    running: "running",
    starting: "starting",
    suspect: `running, suspected by ${node.seen.suspect}`,
    failed: `running, failed for ${node.seen.failed}`,
    paused: "paused",
    dead: "dead",
  };
  return words[look_of(node)] + (node.cut_off ? ", cut off" : "");
}

export function clock(t_ms: number): string {
  const s = Math.max(0, Math.floor(t_ms / 1000));
  const two = (x: number) => String(x).padStart(2, "0");
  const h = Math.floor(s / 3600);
  return `${h ? `${h}:` : ""}${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

// "1,2,5-9" from ascending indices.
export function ranges(indices: number[]): string {
  const parts: string[] = [];
  for (let at = 0; at < indices.length; ) {
    let end = at;
    while (indices[end + 1] === indices[end]! + 1) end++;
    parts.push(end > at ? `${indices[at]}-${indices[end]}` : String(indices[at]));
    at = end + 1;
  }
  return parts.join(",");
}
