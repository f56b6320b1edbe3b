// How long things took, as cumulative curves: operations by kind, and how soon deaths were seen.
import { useMemo, useState } from "preact/hooks";
import { cumulative, kKinds, Told } from "./data";
import { ms, percent, seconds } from "./look";
import { Chart, Curve, kRunPaints, Plot } from "./plot";
import { kKindPaint } from "./courses";

const kNames = { put: "puts", get: "gets", lookup: "lookups", write: "writes" } as const;
const kNoOps = "This log has no such operations: there were none, or it was written without them.";
const kNoDeaths = "This log has no deaths: nobody died untold, or it was written without them.";

function paint_of(told: Told) {
  return kRunPaints[told.index % kRunPaints.length]!;
}

function within<T extends { phase: number | null }>(items: T[], told: Told, phase: string): T[] {
  return phase === "" ? items : items.filter((item) => item.phase !== null && told.run.report.phases[item.phase]?.name === phase);
}

function latencies(told: Told, kind: string, phase: string) {
  const values = within(told.ops, told, phase).filter((op) => op.kind === kind && op.ok).map((op) => op.ms);
  return { n: values.length, series: cumulative(values, values.length, 0.001) };
}

function detections(told: Told, which: "first" | "all", phase: string) {
  const deaths = within(told.deaths, told, phase);
  const seen = deaths.flatMap((death) => (death[which] === null ? [] : [death[which]]));
  return { n: deaths.length, series: cumulative(seen, deaths.length, 0.001) };
}

function charts_of(all: Told[], phase: string): Chart[] {
  const over_ms = { over: "values", share: true, show: percent, show_x: ms, empty: kNoOps } as const;
  const over_s = { over: "values", share: true, show: percent, show_x: seconds, empty: kNoDeaths } as const;
  const by_run = (of: (told: Told) => ReturnType<typeof latencies>): Curve[] =>
    all.map((told) => ({ ...of(told).series, label: told.name, colour: paint_of(told) }));
  const [only] = all;
  if (all.length === 1 && only) {
    const curves = kKinds.flatMap((kind): Curve[] => {
      const { n, series } = latencies(only, kind, phase);
      return n ? [{ label: `${n.toLocaleString("en-US")} ${kNames[kind]}`, colour: kKindPaint[kind], ...series }] : [];
    });
    const first = detections(only, "first", phase);
    return [
      { title: "Latency of what succeeded", ...over_ms, curves },
      {
        title: first.n ? `Detection of ${first.n} deaths` : "Detection of deaths",
        ...over_s,
        curves: [
          { label: "by the first survivor", colour: "accent", ...first.series },
          { label: "by all", colour: "bad", ...detections(only, "all", phase).series },
        ],
      },
    ];
  }
  return [
    ...kKinds
      .filter((kind) => all.some((told) => told.ops.some((op) => op.kind === kind)))
      .map((kind) => ({ title: `Latency of ${kNames[kind]}`, ...over_ms, curves: by_run((told) => latencies(told, kind, phase)) })),
    { title: "Deaths detected by the first survivor", ...over_s, curves: by_run((told) => detections(told, "first", phase)) },
    { title: "Deaths detected by all", ...over_s, curves: by_run((told) => detections(told, "all", phase)) },
  ];
}

export function Spreads({ all }: { all: Told[] }) {
  const [phase, set_phase] = useState("");
  const charts = useMemo(() => charts_of(all, phase), [all, phase]);
  const names = useMemo(() => [...new Set(all.flatMap((told) => told.run.report.phases.map((each) => each.name)))], [all]);
  const unseen = all.reduce((sum, told) => sum + within(told.deaths, told, phase).filter((death) => death.all === null).length, 0);
  const any = all.some((told) => told.ops.length || told.deaths.length);
  return (
    <section class="panel" aria-label="Distributions">
      <h2>
        How long it took <span class="dim">share that took at most so long</span>
        {any && (
          <label class={`end dim ${phase === "" ? "no-print" : ""}`}>
            begun in{" "}
            <select value={phase} onChange={(e) => set_phase(e.currentTarget.value)}>
              <option value="">any phase</option>
              {names.map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        )}
      </h2>
      <div class="spreads">
        {charts.map((chart, i) => (
          <Plot key={i} chart={chart} />
        ))}
      </div>
      {unseen > 0 && (
        <p class="dim hint">
          {unseen} {unseen === 1 ? "death was" : "deaths were"} not seen by all survivors before the end: that curve ends below 100&#8239;%.
        </p>
      )}
    </section>
  );
}
