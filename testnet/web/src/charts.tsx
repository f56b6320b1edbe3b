// The course of the last ten minutes: small charts with one cursor for all of them.
import { clock, Op, Point } from "./data";
import { Chart, Course, Plots, whole } from "./plot";
import { store, ui } from "./ui";

const ms = (x: number) => String(x >= 10 ? Math.round(x) : Math.round(x * 10) / 10);
const percent = (x: number) => `${Math.round(x * 100)} %`;
// What binary fractions may lack of a figure.
const kRounding = 1e-6;
// Rounded down: 100 % means all of them.
const share = (x: number) => `${Math.floor(x * 1000 + kRounding) / 10} %`;

// The part of the operations that did not fail; null where there was none, or nobody counts the failed ones.
function succeeded(op: Op | undefined): number | null {
  if (!op?.n || op.failed === undefined || op.failed === null) return null;
  return Math.max(0, 1 - op.failed / op.n);
}

const kCharts: Chart<Point>[] = [
  {
    title: "Members",
    close: true,
    band: [2, 4],
    show: whole,
    curves: [
      { label: "running", colour: "ok", of: (p) => p.running },
      { label: "max", colour: "dim", of: (p) => p.members_max },
      { label: "median", colour: "accent", of: (p) => p.members_median },
      { label: "min", colour: "warn", of: (p) => p.members_min },
    ],
  },
  {
    title: "Doubts (pairs)",
    show: whole,
    curves: [
      { label: "suspect", colour: "warn", of: (p) => p.suspects },
      { label: "failed", colour: "bad", of: (p) => p.failed },
      { label: "false failures", colour: "paused", of: (p) => p.false_failures, dashed: true },
    ],
  },
  {
    title: "Traffic of a node / s",
    show: whole,
    curves: [
      { label: "bytes", colour: "accent", of: (p) => p.bytes_per_node_s },
      { label: "packets", colour: "paused", of: (p) => p.packets_per_node_s, right: true },
    ],
  },
  {
    title: "p50 and p99, ms",
    show: ms,
    curves: [
      { label: "put", colour: "accent", of: (p) => p.ops?.put.p50_ms ?? null },
      { label: "put p99", colour: "accent", of: (p) => p.ops?.put.p99_ms ?? null, dashed: true, minor: true },
      { label: "get", colour: "ok", of: (p) => p.ops?.get.p50_ms ?? null },
      { label: "get p99", colour: "ok", of: (p) => p.ops?.get.p99_ms ?? null, dashed: true, minor: true },
      { label: "lookup", colour: "paused", of: (p) => p.ops?.lookup.p50_ms ?? null },
      { label: "lookup p99", colour: "paused", of: (p) => p.ops?.lookup.p99_ms ?? null, dashed: true, minor: true },
    ],
  },
  {
    title: "Lookups, gets, puts that succeeded",
    show: share,
    curves: [
      { label: "lookup", colour: "paused", of: (p) => succeeded(p.ops?.lookup) },
      { label: "get", colour: "ok", of: (p) => succeeded(p.ops?.get) },
      { label: "put", colour: "accent", of: (p) => succeeded(p.ops?.put) },
    ],
  },
  {
    title: "State lag, ms",
    show: ms,
    curves: [
      { label: "p50", colour: "accent", of: (p) => p.state_lag_p50_ms ?? null },
      { label: "p99", colour: "accent", of: (p) => p.state_lag_p99_ms ?? null, dashed: true },
    ],
  },
  { title: "Copies a value has", show: (x) => String(Math.round(x * 100) / 100), curves: [{ label: "copies", colour: "accent", of: (p) => p.copies ?? null }] },
  { title: "CPU of all, of one core", show: percent, curves: [{ label: "cpu", colour: "accent", of: (p) => p.cpu_share }] },
  { title: "Copies of values held", show: whole, curves: [{ label: "values", colour: "accent", of: (p) => p.values }] },
];

const kCourse: Course<Point> = {
  points: () => store.state?.points ?? [],
  seconds: (point) => point.t_ms / 1000,
  clock: (seconds) => clock(seconds * 1000),
  subscribe: (told) => store.subscribe(told),
  ui,
};

export function Charts() {
  return <Plots charts={kCharts} course={kCourse} />;
}
