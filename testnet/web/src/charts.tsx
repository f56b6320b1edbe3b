// The course of the last ten minutes: small charts with one cursor for all of them.
import { clock, Point } from "./data";
import { Chart, Course, Plots, whole } from "./plot";
import { store, ui } from "./ui";

const ms = (x: number) => String(x >= 10 ? Math.round(x) : Math.round(x * 10) / 10);
const percent = (x: number) => `${Math.round(x * 100)} %`;

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
