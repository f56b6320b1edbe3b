// What happened over time: charts below the timeline, of one run in detail or of several run by run.
import { useMemo } from "preact/hooks";
import { use } from "../shared";
import { course, kKinds, lag, latency, Operation, rate, Told, window_of, windows } from "./data";
import { moment, ms, percent, short, stretch } from "./look";
import { Behind, Chart, Curve, kRunPaints, Paint, Plot } from "./plot";
import { faults } from "./timeline";

const kNoSamples = "This log has no samples: it was written without them.";
const kNoValues = "This log does not tell what nodes hold.";
const kNoArrivals = "Nothing of shared state came in this run, or the log does not tell it.";
const kNoOps = "This log has no operations: there were none, or it was written without them.";

export const kKindPaint: Record<(typeof kKinds)[number], Paint> = { put: "accent", get: "ok", lookup: "paused", write: "warn" };

const ok_share = (inside: Operation[]) => inside.filter((op) => op.ok).length / inside.length;

function charts_of_one(told: Told): Chart[] {
  const { samples, ops, end } = told;
  const width = window_of(end);
  const per = width === 1 ? "second" : `${moment(width, 180)}`;
  const latencies = kKinds.flatMap((kind): Curve[] => {
    const of = ops.filter((op) => op.kind === kind);
    if (of.length === 0) return [];
    return [
      { label: kind, colour: kKindPaint[kind], ...windows(of, end, (inside) => latency(inside, 0.5)) },
      { label: `${kind} p99`, minor: true, dashed: true, colour: kKindPaint[kind], ...windows(of, end, (inside) => latency(inside, 0.99)) },
    ];
  });
  return [
    {
      title: "Nodes up, and members as nodes see them",
      over: "time",
      empty: kNoSamples,
      close: true,
      band: [1, 3],
      show: short,
      curves: [
        { label: "up", colour: "ok", ...course(samples, (s) => s.up) },
        { label: "max", colour: "dim", ...course(samples, (s) => s.members_max) },
        { label: "median", colour: "accent", ...course(samples, (s) => s.members_median) },
        { label: "min", colour: "warn", ...course(samples, (s) => s.members_min) },
      ],
    },
    {
      title: "Pairs",
      over: "time",
      empty: kNoSamples,
      show: short,
      curves: [
        { label: "wrong", colour: "text", ...course(samples, (s) => s.wrong) },
        { label: "failed", colour: "bad", ...course(samples, (s) => s.failed) },
        { label: "suspect", colour: "warn", ...course(samples, (s) => s.suspect) },
      ],
    },
    {
      title: "Traffic of a node and second",
      over: "time",
      empty: kNoSamples,
      show: short,
      curves: [
        { label: "bytes", colour: "accent", ...rate(samples, (s) => s.bytes) },
        { label: "packets (right)", colour: "paused", right: true, ...rate(samples, (s) => s.packets) },
      ],
    },
    {
      title: `Operations in each ${per}`,
      over: "time",
      empty: kNoOps,
      share: true,
      show: percent,
      show_right: short,
      curves: [
        { label: "succeeded", colour: "ok", ...windows(ops, end, ok_share) },
        { label: "per second (right)", colour: "dim", right: true, ...windows(ops, end, (inside) => inside.length / width) },
      ],
    },
    {
      title: `Latency in each ${per}, p50 and (dashed) p99`,
      over: "time",
      empty: kNoOps,
      log_y: true,
      show: ms,
      curves: latencies,
    },
    {
      title: "Copies that a value has, in the mean",
      over: "time",
      empty: kNoValues,
      show: short,
      curves: [{ label: "copies", colour: "accent", ...course(samples, (s) => s.copies) }],
    },
    {
      title: "State lag: from a write until it came to another node, p50 and (dashed) p99",
      over: "time",
      empty: kNoArrivals,
      log_y: true,
      show: ms,
      curves: [
        { label: "lag", colour: "warn", ...lag(samples, end, 0.5) },
        { label: "p99", minor: true, dashed: true, colour: "warn", ...lag(samples, end, 0.99) },
      ],
    },
  ];
}

function charts_of_several(all: Told[], end: number): Chart[] {
  const curves = (of: (told: Told) => { xs: number[]; ys: (number | null)[] }): Curve[] =>
    all.map((told) => ({ label: told.name, colour: kRunPaints[told.index % kRunPaints.length]!, ...of(told) }));
  const both = (of: (told: Told) => { xs: number[]; ys: (number | null)[] }[]): Curve[] =>
    all.flatMap((told) => of(told).map((series, i) => ({ label: `${told.name}${i ? " dashed" : ""}`, colour: kRunPaints[told.index % kRunPaints.length]!, minor: i > 0, dashed: i > 0, ...series })));
  const width = window_of(end);
  const per = width === 1 ? "second" : `${moment(width, 180)}`;
  return [
    {
      title: "Members, median, and (dashed) nodes up",
      over: "time",
      empty: kNoSamples,
      close: true,
      show: short,
      curves: both(({ samples }) => [course(samples, (s) => s.members_median), course(samples, (s) => s.up)]),
    },
    { title: "Wrong pairs", over: "time", empty: kNoSamples, show: short, curves: curves(({ samples }) => course(samples, (s) => s.wrong)) },
    { title: "Bytes of a node and second", over: "time", empty: kNoSamples, show: short, curves: curves(({ samples }) => rate(samples, (s) => s.bytes)) },
    { title: "Packets of a node and second", over: "time", empty: kNoSamples, show: short, curves: curves(({ samples }) => rate(samples, (s) => s.packets)) },
    { title: `Operations that succeeded in each ${per}`, over: "time", empty: kNoOps, share: true, show: percent, curves: curves(({ ops }) => windows(ops, end, ok_share)) },
    {
      title: `Latency of all operations in each ${per}, p50 and (dashed) p99`,
      over: "time",
      empty: kNoOps,
      log_y: true,
      show: ms,
      curves: both(({ ops }) => [windows(ops, end, (inside) => latency(inside, 0.5)), windows(ops, end, (inside) => latency(inside, 0.99))]),
    },
    { title: "Copies that a value has, in the mean", over: "time", empty: kNoValues, show: short, curves: curves(({ samples }) => course(samples, (s) => s.copies)) },
    {
      title: "State lag, p50 and (dashed) p99",
      over: "time",
      empty: kNoArrivals,
      log_y: true,
      show: ms,
      curves: both((told) => [lag(told.samples, end, 0.5), lag(told.samples, end, 0.99)]),
    },
  ];
}

export function Courses({ all }: { all: Told[] }) {
  use(stretch);
  const [first] = all;
  const charts = useMemo(() => (all.length === 1 ? charts_of_one(first!) : charts_of_several(all, stretch.end)), [all]);
  const behind = useMemo<Behind>(() => ({ phases: first!.run.report.phases, faults: all.flatMap(faults) }), [all]);
  return (
    <div class="courses">
      <p class="dim hint no-print">
        Drag over a chart to look closer.{" "}
        {!stretch.all() && (
          <button class="link" onClick={() => stretch.set(0, stretch.end)}>
            Show the whole run
          </button>
        )}
      </p>
      {charts.map((chart) => (
        <Plot key={chart.title} chart={chart} behind={behind} />
      ))}
      {all.length > 1 && <p class="dim hint">The bands behind the curves are the phases of the first run.</p>}
    </div>
  );
}
