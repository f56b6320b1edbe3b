// From the text of /metrics to points of the charts. Pure.
//
// Rates and quantiles are of the last kWindowS seconds: what a user does is rare, and packets come in bursts.

const kWindowS = 5;
const kOps = ["put", "get", "lookup"] as const;
export type Op = (typeof kOps)[number];

// Samples by name with labels, as they are written: `weft_members{state="alive"}`.
export type Samples = Map<string, number>;

export interface OpRate {
  // A second.
  n: number | null;
  // Upper ends of the histogram's classes.
  p50_ms: number | null;
  p99_ms: number | null;
}

export interface Point {
  // Seconds of the wall clock.
  t: number;
  alive: number | null;
  suspect: number | null;
  failed: number | null;
  sent_bytes_s: number | null;
  received_bytes_s: number | null;
  sent_packets_s: number | null;
  received_packets_s: number | null;
  // All iterative lookups, those of upkeep too.
  lookups_s: number | null;
  values: number | null;
  values_bytes: number | null;
  entries: number | null;
  state_bytes: number | null;
  ops: Record<Op, OpRate>;
}

export function parse(text: string): Samples {
  const samples: Samples = new Map();
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    // A label's value may hold a blank, a sample's value does not.
    const end = line.lastIndexOf(" ");
    const value = Number(line.slice(end + 1));
    if (end > 0 && !Number.isNaN(value)) samples.set(line.slice(0, end), value);
  }
  return samples;
}

// The upper end, in seconds, of the class in which the share lies; null if it lies above all ends or nothing was counted.
export function quantile(classes: [end: number, cumulative: number][], share: number): number | null {
  const all = classes.at(-1)?.[1] ?? 0;
  if (all <= 0) return null;
  const end = classes.find(([, below]) => below >= share * all)?.[0] ?? Infinity;
  return Number.isFinite(end) ? end : null;
}

function classes_of(samples: Samples, op: Op): [number, number][] {
  const begin = `weft_${op}_seconds_bucket{le="`;
  const classes: [number, number][] = [];
  for (const [name, value] of samples) {
    if (!name.startsWith(begin)) continue;
    const end = name.slice(begin.length, name.indexOf('"', begin.length));
    classes.push([end === "+Inf" ? Infinity : Number(end), value]);
  }
  return classes.sort((a, b) => a[0] - b[0]);
}

export class Rates {
  private kept: { t: number; samples: Samples }[] = [];

  // After a pause, or for another life of the node.
  forget(): void {
    this.kept = [];
  }

  add(t: number, samples: Samples): Point {
    const uptime = "weft_uptime_seconds";
    const last = this.kept.at(-1);
    if (last && (samples.get(uptime) ?? 0) < (last.samples.get(uptime) ?? 0)) this.forget();
    this.kept.push({ t, samples });
    while (this.kept.length > 2 && t - this.kept[1]!.t >= kWindowS) this.kept.shift();
    const before = this.kept[0]!;
    const took = t - before.t;
    const now = (name: string) => samples.get(name) ?? null;
    const rate = (name: string): number | null => {
      const value = samples.get(name);
      return value === undefined || took <= 0 ? null : (value - (before.samples.get(name) ?? 0)) / took;
    };
    const op_rate = (op: Op): OpRate => {
      const had = new Map(classes_of(before.samples, op));
      const fresh = classes_of(samples, op).map(([end, below]): [number, number] => [end, below - (had.get(end) ?? 0)]);
      const ms = (share: number) => {
        const end = took > 0 ? quantile(fresh, share) : null;
        return end === null ? null : end * 1000;
      };
      return { n: rate(`weft_${op}_seconds_count`), p50_ms: ms(0.5), p99_ms: ms(0.99) };
    };
    return {
      t,
      alive: now('weft_members{state="alive"}'),
      suspect: now('weft_members{state="suspect"}'),
      failed: now('weft_members{state="failed"}'),
      sent_bytes_s: rate("weft_sent_bytes_total"),
      received_bytes_s: rate("weft_received_bytes_total"),
      sent_packets_s: rate("weft_sent_packets_total"),
      received_packets_s: rate("weft_received_packets_total"),
      lookups_s: rate("weft_lookups_total"),
      values: now("weft_values"),
      values_bytes: now("weft_values_bytes"),
      entries: now("weft_state_entries"),
      state_bytes: now("weft_state_bytes"),
      ops: { put: op_rate("put"), get: op_rate("get"), lookup: op_rate("lookup") },
    };
  }
}

const kNoOp: OpRate = { n: null, p50_ms: null, p99_ms: null };

// Between two stretches that were watched: curves have a gap there.
export function gap(t: number): Point {
  return {
    t,
    alive: null,
    suspect: null,
    failed: null,
    sent_bytes_s: null,
    received_bytes_s: null,
    sent_packets_s: null,
    received_packets_s: null,
    lookups_s: null,
    values: null,
    values_bytes: null,
    entries: null,
    state_bytes: null,
    ops: { put: kNoOp, get: kNoOp, lookup: kNoOp },
  };
}
