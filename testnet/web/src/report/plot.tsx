// One chart: curves over time (with the phases behind them, one cursor and one stretch of time for all), or over values.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { palette, use } from "../shared";
import { Series, Span } from "./data";
import { cursor, moment, stretch, theme } from "./look";

export type Paint = "ok" | "warn" | "bad" | "accent" | "text" | "paused" | "left" | "dim" | "line" | `run-${0 | 1 | 2 | 3 | 4 | 5}`;

export const kRunPaints: Paint[] = ["run-0", "run-1", "run-2", "run-3", "run-4", "run-5"];
// Beside the lanes of the timeline, so that they end where the charts do.
export const kLeft = 64;
export const kRight = 46;

const kSync = "weft-time";

export interface Curve extends Series {
  label: string;
  colour: Paint;
  dashed?: boolean;
  right?: boolean;
  // Told beside the curve before it and without its name.
  minor?: boolean;
}

export interface Chart {
  title: string;
  // Said in place of the chart when there is nothing to draw.
  empty: string;
  curves: Curve[];
  over: "time" | "values";
  // Curves between which the space is tinted.
  band?: [number, number];
  close?: boolean;
  log_y?: boolean;
  share?: boolean;
  show: (value: number) => string;
  show_x?: (value: number) => string;
  show_right?: (value: number) => string;
}

// Drawn behind curves over time: phases, and stretches with a fault.
export interface Behind {
  phases: { start_s: number; end_s: number }[];
  faults: Span[];
}

const kPaint: Paint[] = ["ok", "warn", "bad", "accent", "text", "paused", "left", "dim", "line", ...kRunPaints];

function fade(rgb: string, alpha: number): string {
  return rgb.replace(/^rgba?\(([^)]*)\)$/, (_, inner: string) => `rgba(${inner.split(",").slice(0, 3).join(",")}, ${alpha})`);
}

function size_of(element: HTMLElement): { width: number; height: number } {
  return { width: Math.max(160, element.clientWidth), height: Math.max(60, element.clientHeight) };
}

function data_of(chart: Chart): uPlot.AlignedData {
  return uPlot.join(chart.curves.map((curve) => [curve.xs, curve.ys] as uPlot.AlignedData));
}

// Marks of a logarithmic axis. uPlot's own begin at the least value and may never end.
function log_splits(low: number, high: number): number[] {
  const out: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)) && out.length < 200; ++power) {
    for (const digit of [1, 2, 3, 4, 5, 6, 7, 8, 9]) {
      const split = Number(`${digit}e${power}`);
      if (split >= low && split <= high) out.push(split);
    }
  }
  return out;
}

// Those that have a number: powers of ten, and where these are few 2 and 5 between them.
function numbered(splits: number[], close: boolean): (number | null)[] {
  const digits = close ? [1, 2, 5] : [1];
  return splits.map((split) => (digits.includes(Number(split.toExponential(0)[0])) ? split : null));
}

function draw_behind(plot: uPlot, behind: Behind, paint: Record<string, string>): void {
  const { ctx, bbox } = plot;
  ctx.save();
  const bar = (from: number, to: number, fill: string) => {
    const left = Math.max(bbox.left, plot.valToPos(from, "x", true));
    const right = Math.min(bbox.left + bbox.width, plot.valToPos(to, "x", true));
    if (right < bbox.left || left > bbox.left + bbox.width) return;
    ctx.fillStyle = fill;
    ctx.fillRect(left, bbox.top, Math.max(1, right - left), bbox.height);
  };
  behind.phases.forEach((phase, i) => {
    if (i % 2) bar(phase.start_s, phase.end_s, fade(paint.dim!, 0.09));
  });
  for (const fault of behind.faults) bar(fault.from, fault.to, fade(paint.bad!, 0.1));
  ctx.restore();
}

function options_of(chart: Chart, size: { width: number; height: number }, behind: Behind | null, write: (plot: uPlot) => void): uPlot.Options {
  const paint = palette(...kPaint);
  const time = chart.over === "time";
  const right = chart.curves.some((curve) => curve.right);
  const axis = { stroke: paint.dim, font: "10px system-ui, sans-serif", grid: { stroke: paint.line, width: 0.5 }, ticks: { show: false } };
  const shown = (show: (value: number) => string) => (_: uPlot, splits: (number | null)[]) => splits.map((split) => (split === null ? "" : show(split)));
  const range = (_: uPlot, low: number, high: number): [number, number] => {
    if (chart.share) return [0, 1.04];
    const from = chart.close ? Math.max(0, Math.min(low, high - 8) - 2) : 0;
    return [from, high > from ? high + (high - from) * 0.08 : from + 1];
  };
  const decades = (_: uPlot, low: number, high: number): [number, number] => {
    const from = 10 ** Math.floor(Math.log10(Math.max(low, 0.001)));
    return [from, Math.max(from * 10, 10 ** Math.ceil(Math.log10(Math.max(high, 0.001))))];
  };
  // Over values the curve begins and ends within the chart, with some room at both.
  const room = (_: uPlot, low: number, high: number): [number, number] => [Math.max(low, 0.0005) / 1.3, Math.max(high, low * 3, 0.001) * 1.3];
  const x_scale: uPlot.Scale = time ? { time: false, range: () => [stretch.min, stretch.max] } : { time: false, distr: 3, range: room };
  const y_scale: uPlot.Scale = chart.log_y ? { distr: 3, range: decades } : { range };
  const log_axis = (close: number): uPlot.Axis => ({
    splits: (_, __, low, high) => log_splits(low, high),
    filter: (plot, splits, axis) => {
      const { min = 1, max = 10 } = plot.scales[axis === 0 ? "x" : "y"]! as { min?: number; max?: number };
      return numbered(splits, max / min < close);
    },
  });
  const y_splits = chart.log_y ? log_axis(50) : chart.share ? { splits: () => [0, 0.25, 0.5, 0.75, 0.9, 1], space: 8 } : {};
  return {
    ...size,
    padding: [8, right ? 0 : time ? kRight : 14, 0, 0],
    cursor: {
      ...(time ? { sync: { key: kSync } } : {}),
      points: { size: 5 },
      drag: { x: time, y: false, setScale: false },
      y: false,
      bind: {
        dblclick: () => () => {
          if (time) stretch.set(0, stretch.end);
          return null;
        },
      },
    },
    legend: { show: false },
    scales: { x: x_scale, y: y_scale, right: { range: (_: uPlot, _low: number, high: number) => [0, high > 0 ? high * 1.08 : 1] as [number, number] } },
    axes: [
      {
        ...axis,
        size: 22,
        gap: 5,
        space: time ? 64 : 44,
        ...(time ? { incrs: [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200] } : log_axis(size.width > 400 ? 300 : 40)),
        values: shown(time ? (t) => moment(t, stretch.end) : (chart.show_x ?? chart.show)),
      },
      { ...axis, size: kLeft, gap: 4, space: 24, ...y_splits, values: shown(chart.show) },
      ...(right ? [{ ...axis, size: kRight, gap: 4, space: 24, scale: "right", side: 1 as const, values: shown(chart.show_right ?? chart.show), grid: { show: false } }] : []),
    ],
    series: [
      {},
      ...chart.curves.map((curve) => ({
        label: curve.label,
        scale: curve.right ? "right" : "y",
        stroke: paint[curve.colour],
        width: curve.dashed || curve.right ? 1 : 1.5,
        dash: curve.dashed ? [4, 3] : undefined,
        points: { show: false, size: 4, fill: paint[curve.colour] },
        spanGaps: false,
        ...(time ? {} : { paths: uPlot.paths.stepped!({ align: 1 }) }),
      })),
    ],
    bands: chart.band ? [{ series: [chart.band[0] + 1, chart.band[1] + 1], fill: fade(paint.dim, 0.18) }] : [],
    hooks: {
      drawClear: behind && time ? [(plot) => draw_behind(plot, behind, paint)] : [],
      setCursor: [write],
      setSelect: [
        (plot) => {
          const { left, width } = plot.select;
          if (width > 4) stretch.set(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
          if (width > 0) plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
    },
  };
}

// The value of a curve at a row: between its own points the one before holds.
function value_at(column: ArrayLike<number | null | undefined>, row: number): number | null {
  for (let i = row; i >= 0; --i) if (column[i] !== undefined) return column[i]!;
  return null;
}

// Over time the newest value stands where no cursor is; over values nothing does.
function write_values(chart: Chart, plot: uPlot, spans: (HTMLElement | null)[], at_x: HTMLElement | null): void {
  const at = plot.cursor.idx;
  const time = chart.over === "time";
  chart.curves.forEach((_, i) => {
    const column = plot.data[i + 1]!;
    const value = at === null || at === undefined ? null : value_at(column, at);
    const span = spans[i];
    if (span) span.textContent = value === null ? "" : chart.show_right && chart.curves[i]!.right ? chart.show_right(value) : chart.show(value);
  });
  const x = at === null || at === undefined ? null : plot.data[0][at];
  if (at_x && !time) at_x.textContent = x === null || x === undefined ? "" : `at ${(chart.show_x ?? chart.show)(x)}`;
  if (time && plot.cursor.event) cursor.set((plot.cursor.left ?? -1) < 0 ? null : plot.posToVal(plot.cursor.left!, "x"));
}

// From the timeline to the charts: one of them tells the others.
export function show_cursor(t: number | null): void {
  cursor.set(t);
  const [plot] = uPlot.sync(kSync).plots;
  if (!plot) return;
  // Its types do not know the last argument: whether to tell the others.
  const set: (to: { left: number; top: number }, fire: boolean, tell: boolean) => void = plot.setCursor;
  set(t === null ? { left: -10, top: -10 } : { left: plot.valToPos(t, "x"), top: 10 }, true, true);
}

export function Plot({ chart, behind = null }: { chart: Chart; behind?: Behind | null }) {
  const box = useRef<HTMLDivElement>(null);
  const spans = useRef<(HTMLElement | null)[]>([]);
  const at_x = useRef<HTMLElement>(null);
  const empty = chart.curves.every((curve) => curve.xs.length === 0);
  use(theme);
  useEffect(() => {
    if (empty) return;
    const element = box.current!;
    const write = (each: uPlot) => write_values(chart, each, spans.current, at_x.current);
    let plot: uPlot;
    const make = () => {
      plot?.destroy();
      plot = new uPlot(options_of(chart, size_of(element), behind, write), data_of(chart), element);
    };
    make();
    const observer = new ResizeObserver(() => plot.setSize(size_of(element)));
    observer.observe(element);
    const ends = [
      () => observer.disconnect(),
      () => plot.destroy(),
      theme.subscribe(make),
      chart.over === "time" ? stretch.subscribe(() => plot.setScale("x", { min: stretch.min, max: stretch.max })) : () => {},
    ];
    return () => ends.forEach((end) => end());
  }, [chart, empty]);
  return (
    <figure class={`chart ${chart.over}`}>
      <figcaption>
        <span class="chart-title">{chart.title}</span>
        {!empty &&
          chart.curves.map((curve, i) => (
            <span key={curve.label} class={`key ${curve.minor ? "minor" : ""}`}>
              {!curve.minor && (
                <>
                  <i class={`stroke ${curve.dashed ? "dashed" : ""}`} style={{ color: `var(--${curve.colour})` }} />
                  {curve.label}{" "}
                </>
              )}
              <b class="num" ref={(span) => void (spans.current[i] = span)} />
            </span>
          ))}
        <span class="dim num end" ref={at_x} />
      </figcaption>
      {empty ? <p class="nothing dim">{chart.empty}</p> : <div ref={box} class="plot" role="img" aria-label={`Chart: ${chart.title}`} />}
    </figure>
  );
}
