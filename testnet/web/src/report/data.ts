// The runs of a report as the launcher put them into the page, and the series that its charts draw.

export interface Quantiles {
  n: number;
  p50: number | null;
  p95: number | null;
  p99: number | null;
  max: number | null;
}

export interface Phase {
  name: string;
  start_s: number;
  end_s: number;
  [part: string]: unknown;
}

export interface Check {
  field: string;
  is: string;
  value: unknown;
  got: unknown;
  passed: boolean;
  line?: number;
}

export interface Report {
  scenario: string;
  seed: number | string;
  version: string;
  nodes: number;
  phases: Phase[];
  total: Phase;
  checks?: Check[];
  passed: boolean;
  violations?: { checker: string; t_ms: number; detail: string }[];
  interrupted_ms?: number;
}

export interface Event {
  t: number;
  event: string;
  [field: string]: unknown;
}

export interface Run {
  report: Report;
  events: Event[];
  events_left_out?: number;
  scenario_text?: string;
  command?: string;
  world?: string; // simulator or processes
  trace_hash?: string; // of a simulated run
  made?: string;
}

export interface Operation {
  t: number;
  kind: string;
  ok: boolean;
  ms: number;
  phase: number | null;
}

export interface Sample {
  t: number;
  up: number;
  members_min: number;
  members_median: number;
  members_max: number;
  suspect: number;
  failed: number;
  wrong: number;
  bytes: number;
  packets: number;
  // What every log tells since they are in it.
  copies: number | null;
  // Entries of shared state that came since the sample before, by kLagEnds.
  arrivals: number[];
}

export interface Death {
  phase: number | null;
  first: number | null;
  all: number | null;
}

export interface Span {
  from: number;
  to: number;
  what: string;
}

export type Series = { xs: number[]; ys: (number | null)[] };

export const kKinds = ["put", "get", "lookup", "write"] as const;

// A run with what is derived from its events once.
export interface Told {
  run: Run;
  index: number;
  name: string;
  ops: Operation[];
  samples: Sample[];
  deaths: Death[];
  end: number;
}

const number_of = (x: unknown): number => (typeof x === "number" && Number.isFinite(x) ? x : 0);
const number_or_null = (x: unknown): number | null => (typeof x === "number" && Number.isFinite(x) ? x : null);

export function told(run: Run, index: number, several: boolean): Told {
  const ops: Operation[] = [];
  const samples: Sample[] = [];
  const deaths: Death[] = [];
  for (const e of run.events) {
    if (e.event === "op") {
      ops.push({ t: e.t, kind: String(e.op), ok: e.ok === true, ms: number_of(e.us) / 1000, phase: number_or_null(e.phase) });
    } else if (e.event === "sample") {
      samples.push({
        t: e.t,
        up: number_of(e.up),
        members_min: number_of(e.members_min),
        members_median: number_of(e.members_median),
        members_max: number_of(e.members_max),
        suspect: number_of(e.suspect),
        failed: number_of(e.failed),
        wrong: number_of(e.wrong),
        bytes: number_of(e.bytes),
        packets: number_of(e.packets),
        copies: number_of(e.own_values) > 0 ? number_of(e.values) / number_of(e.own_values) : null,
        arrivals: Array.isArray(e.arrivals) ? e.arrivals.map(number_of) : [],
      });
    } else if (e.event === "death") {
      deaths.push({ phase: number_or_null(e.phase), first: number_or_null(e.first), all: number_or_null(e.all) });
    }
  }
  const name = several ? `${index + 1}: ${run.report.scenario}, seed ${run.report.seed}` : run.report.scenario;
  const last_event = run.events.reduce((most, e) => (e.event === "death" ? most : Math.max(most, number_of(e.t))), 0);
  return { run, index, name, ops, samples, deaths, end: Math.max(run.report.total.end_s, last_event, 0.1) };
}

export function read_runs(): Run[] {
  const parsed: unknown = JSON.parse(document.getElementById("runs")?.textContent ?? "");
  if (!Array.isArray(parsed) || parsed.length === 0) throw new Error("there is no run in it");
  return parsed.map((run: Run) => ({ ...run, events: (run.events ?? []).filter((e) => e && typeof e.t === "number") }));
}

export function course(samples: Sample[], of: (s: Sample) => number | null): Series {
  return { xs: samples.map((s) => s.t), ys: samples.map(of) };
}

// What a node sends a second, from the differences of totals. A total that falls is of nodes that were lost: nothing to say then.
export function rate(samples: Sample[], of: (s: Sample) => number): Series {
  const out: Series = { xs: [], ys: [] };
  for (let i = 1; i < samples.length; ++i) {
    const [a, b] = [samples[i - 1]!, samples[i]!];
    const [more, time] = [of(b) - of(a), b.t - a.t];
    if (time <= 0) continue;
    // Nodes send before they count as up: those of the next sample do already.
    const up = Math.max(a.up, b.up, samples[i + 1]?.up ?? 0);
    out.xs.push(b.t);
    out.ys.push(more < 0 || up === 0 ? null : more / time / up);
  }
  return out;
}

const kWindows = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];

// So long that there are at most 240 of them.
export function window_of(end: number): number {
  return kWindows.find((w) => end / w <= 240) ?? Math.ceil(end / 240);
}

export function quantile(sorted: number[], q: number): number | null {
  return sorted.length ? sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]! : null;
}

// One value for each window of time, at its middle, and null where `of` finds none: a line has a gap there.
export function windows(ops: Operation[], end: number, of: (inside: Operation[]) => number | null): Series {
  if (ops.length === 0) return { xs: [], ys: [] };
  const width = window_of(end);
  const bins: Operation[][] = Array.from({ length: Math.floor(end / width) + 1 }, () => []);
  for (const op of ops) bins[Math.min(bins.length - 1, Math.max(0, Math.floor(op.t / width)))]!.push(op);
  return { xs: bins.map((_, i) => Math.min(end, (i + 0.5) * width)), ys: bins.map((bin) => (bin.length ? of(bin) : null)) };
}

export function latency(inside: Operation[], q: number): number | null {
  return quantile(
    inside.filter((op) => op.ok).map((op) => Math.max(op.ms, 0.001)).sort((a, b) => a - b),
    q,
  );
}

// Upper ends of the classes that nodes count in (crypto/histogram.h), in ms; above the last there is one more.
const kLagEnds = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000];

// The upper end of the class in which the share lies of what came in each window of time.
export function lag(samples: Sample[], end: number, q: number): Series {
  const width = Math.max(window_of(end), 5);
  const bins: number[][] = [];
  for (const s of samples) {
    const bin = (bins[Math.max(0, Math.floor(s.t / width))] ??= kLagEnds.map(() => 0).concat(0));
    s.arrivals.forEach((n, k) => (bin[k] = (bin[k] ?? 0) + n));
  }
  const of = (bin: number[] | undefined): number | null => {
    const all = bin?.reduce((sum, n) => sum + n, 0) ?? 0;
    if (!bin || all === 0) return null;
    let below = 0;
    return kLagEnds.find((_, k) => (below += bin[k]!) >= q * all) ?? null;
  };
  const all = Array.from(bins, of);
  if (all.every((y) => y === null)) return { xs: [], ys: [] };
  return { xs: all.map((_, i) => Math.min(end, (i + 0.5) * width)), ys: all };
}

// Which share of all has at most this value, as at most 500 points, closest together towards the end. `of_all` may be more than there
// are values: then the curve ends below 1.
export function cumulative(values: number[], of_all: number, least: number): Series {
  const out: Series = { xs: [], ys: [] };
  const sorted = values.map((v) => Math.max(v, least)).sort((a, b) => a - b);
  const n = sorted.length;
  const few = n <= 500;
  const ranks = few ? sorted.map((_, i) => i + 1) : [...Array(400).keys()].map((i) => Math.max(1, Math.round(((i + 1) * n) / 400)));
  if (!few) for (let i = Math.max(1, n - 100); i <= n; ++i) ranks.push(i);
  ranks.sort((a, b) => a - b);
  for (const rank of ranks) {
    const x = sorted[rank - 1]!;
    if (out.xs.at(-1) === x) {
      out.ys[out.ys.length - 1] = rank / of_all;
    } else {
      out.xs.push(x);
      out.ys.push(rank / of_all);
    }
  }
  return out;
}

// Faults that last: from their beginning to their end, or to the end of the run.
export function spans(events: Event[], begins: string, ends: string, end: number): Span[] {
  const out: Span[] = [];
  let open: Span | null = null;
  for (const e of events) {
    if (e.event === begins) {
      if (open) out.push({ ...open, to: e.t });
      open = { from: e.t, to: end, what: describe(e) };
    } else if (e.event === ends && open) {
      out.push({ ...open, to: e.t });
      open = null;
    }
  }
  if (open) out.push(open);
  return out;
}

// What an event has besides its name and time, in words.
export function details(e: Event): string {
  return Object.entries(e)
    .filter(([key]) => key !== "t" && key !== "event")
    .map(([key, value]) => `${key.replaceAll("_", " ")} ${typeof value === "object" ? JSON.stringify(value) : String(value)}`)
    .join(" · ");
}

export function describe(e: Event): string {
  const rest = details(e);
  return e.event.replaceAll("_", " ") + (rest && ` · ${rest}`);
}
