// The course of the last ten minutes, as far as this page has been open.
import { time_text } from "../loglines";
import { Chart, Course, Curve, Paint, Plots, whole } from "../plot";
import { bytes_text } from "./data";
import { Op, Point } from "./metrics";
import { store, ui } from "./ui";

const ms = (x: number) => String(x >= 10 ? Math.round(x) : Math.round(x * 100) / 100);

const kOpPaint: [Op, Paint][] = [
  ["put", "accent"],
  ["get", "ok"],
  ["lookup", "paused"],
];

const kCharts: Chart<Point>[] = [
  {
    title: "Members",
    show: whole,
    curves: [
      { label: "alive", colour: "ok", of: (p) => p.alive },
      { label: "suspect", colour: "warn", of: (p) => p.suspect },
      { label: "failed", colour: "bad", of: (p) => p.failed },
    ],
  },
  {
    title: "Operations / s",
    show: whole,
    curves: [
      ...kOpPaint.map(([op, colour]): Curve<Point> => ({ label: op, colour, of: (p) => p.ops[op].n })),
      { label: "all lookups", colour: "dim", dashed: true, of: (p) => p.lookups_s },
    ],
  },
  {
    title: "p50 and p99, ms",
    show: ms,
    curves: kOpPaint.flatMap(([op, colour]): Curve<Point>[] => [
      { label: op, colour, of: (p) => p.ops[op].p50_ms },
      { label: `${op} p99`, colour, dashed: true, minor: true, of: (p) => p.ops[op].p99_ms },
    ]),
  },
  {
    title: "Bytes / s",
    bytes: true,
    show: bytes_text,
    curves: [
      { label: "sent", colour: "accent", of: (p) => p.sent_bytes_s },
      { label: "received", colour: "paused", of: (p) => p.received_bytes_s },
    ],
  },
  {
    title: "Packets / s",
    show: whole,
    curves: [
      { label: "sent", colour: "accent", of: (p) => p.sent_packets_s },
      { label: "received", colour: "paused", of: (p) => p.received_packets_s },
    ],
  },
  {
    title: "Store",
    bytes: true,
    show: whole,
    show_right: bytes_text,
    curves: [
      { label: "values", colour: "accent", of: (p) => p.values },
      { label: "bytes", colour: "dim", right: true, dashed: true, of: (p) => p.values_bytes },
    ],
  },
  {
    title: "Shared state",
    bytes: true,
    show: whole,
    show_right: bytes_text,
    curves: [
      { label: "entries", colour: "accent", of: (p) => p.entries },
      { label: "bytes", colour: "dim", right: true, dashed: true, of: (p) => p.state_bytes },
    ],
  },
];

const kCourse: Course<Point> = {
  points: () => store.points,
  seconds: (point) => point.t,
  clock: (seconds) => time_text(seconds * 1000),
  subscribe: (told) => store.subscribe(told),
  ui,
};

export function Charts() {
  return <Plots charts={kCharts} course={kCourse} />;
}
