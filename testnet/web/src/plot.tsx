// A chart over time with uPlot: curves of a list of points, one cursor for all charts of the page, values beside the names.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { palette } from "./shared";
import { Themed } from "./theme";

const kPaint = ["ok", "warn", "bad", "accent", "text", "paused", "left", "dim", "line"] as const;
export type Paint = (typeof kPaint)[number];

export interface Curve<Point> {
  label: string;
  colour: Paint;
  of: (point: Point) => number | null;
  dashed?: boolean;
  right?: boolean;
  // Its value stands beside that of the curve before it, without its name.
  minor?: boolean;
}

export interface Chart<Point> {
  title: string;
  curves: Curve<Point>[];
  // Curves, from 1, between which the space is tinted.
  band?: [number, number];
  // Whether the axis may start above nought: small differences matter.
  close?: boolean;
  show: (value: number) => string;
  show_right?: (value: number) => string;
  // Marks at powers of two, on the right axis where there is one.
  bytes?: boolean;
}

// What is charted: points in the order of their times, and whom to ask for news of them.
export interface Course<Point> {
  points: () => Point[];
  seconds: (point: Point) => number;
  clock: (seconds: number) => string;
  subscribe: (told: () => void) => () => void;
  ui: Themed;
}

export const whole = (x: number) => (x >= 10_000 ? `${(x / 1000).toFixed(x >= 100_000 ? 0 : 1)}k` : String(Math.round(x * 10) / 10));

const kPowersOfTwo = Array.from({ length: 40 }, (_, power) => 2 ** power);

function size_of(element: HTMLElement): { width: number; height: number } {
  return { width: Math.max(120, element.clientWidth), height: Math.max(60, element.clientHeight) };
}

function data_of<P>(chart: Chart<P>, course: Course<P>): uPlot.AlignedData {
  const points = course.points();
  return [points.map(course.seconds), ...chart.curves.map((curve) => points.map((point) => curve.of(point) ?? null))];
}

function fade(rgb: string, alpha: number): string {
  return rgb.replace(/^rgba?\(([^)]*)\)$/, (_, inner: string) => `rgba(${inner.split(",").slice(0, 3).join(",")}, ${alpha})`);
}

function options_of<P>(chart: Chart<P>, course: Course<P>, element: HTMLElement, write: (plot: uPlot) => void): uPlot.Options {
  const paint = palette(...kPaint);
  const axis = { stroke: paint.dim, font: "10px system-ui, sans-serif", grid: { stroke: paint.line, width: 0.5 }, ticks: { show: false } };
  const right = chart.curves.some((curve) => curve.right);
  const shown = (show: (value: number) => string) => (_: uPlot, splits: number[]) => splits.map(show);
  const bytes = chart.bytes ? { incrs: kPowersOfTwo } : {};
  // From nought, and never flat: an axis of one value has no marks.
  const range = (_: uPlot, low: number, high: number): [number, number] => {
    const from = chart.close ? Math.max(0, Math.min(low, high - 8) - 2) : 0;
    return [from, high > from ? high + (high - from) * 0.08 : from + 1];
  };
  return {
    ...size_of(element),
    padding: [6, right ? 0 : 24, 0, 0],
    cursor: { sync: { key: "weft" }, points: { size: 5 }, drag: { x: false, y: false }, y: false },
    legend: { show: false },
    scales: { x: { time: false }, y: { range }, right: { range } },
    axes: [
      { ...axis, size: 18, gap: 1, space: 70, incrs: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600], values: shown(course.clock) },
      { ...axis, size: 52, gap: 3, space: 26, ...(right ? {} : bytes), values: shown(chart.show) },
      ...(right
        ? [{ ...axis, ...bytes, size: 52, gap: 3, space: 26, scale: "right", side: 1 as const, values: shown(chart.show_right ?? chart.show), grid: { show: false } }]
        : []),
    ],
    series: [
      {},
      ...chart.curves.map((curve) => ({
        label: curve.label,
        scale: curve.right ? "right" : "y",
        stroke: paint[curve.colour],
        width: curve.dashed ? 1 : 1.5,
        dash: curve.dashed ? [4, 3] : undefined,
        points: { show: false },
        spanGaps: false,
      })),
    ],
    bands: chart.band ? [{ series: chart.band, fill: fade(paint.dim, 0.16) }] : [],
    hooks: { setCursor: [write], setData: [write] },
  };
}

// Values at the cursor, or the newest, beside their names: written straight to the page, as they change with every move of the mouse.
function write_values<P>(chart: Chart<P>, plot: uPlot, spans: (HTMLElement | null)[]): void {
  const at = plot.cursor.idx ?? plot.data[0].length - 1;
  chart.curves.forEach((curve, i) => {
    const value = plot.data[i + 1]?.[at];
    const span = spans[i];
    const show = curve.right ? (chart.show_right ?? chart.show) : chart.show;
    if (span) span.textContent = value === null || value === undefined ? "–" : show(value);
  });
}

function Plot<P>({ chart, course }: { chart: Chart<P>; course: Course<P> }) {
  const box = useRef<HTMLDivElement>(null);
  const spans = useRef<(HTMLElement | null)[]>([]);
  useEffect(() => {
    const element = box.current!;
    let plot: uPlot | null = null;
    let light = course.ui.light();
    const write = (each: uPlot) => write_values(chart, each, spans.current);
    const make = () => {
      plot?.destroy();
      plot = new uPlot(options_of(chart, course, element, write), data_of(chart, course), element);
      write(plot);
    };
    make();
    let newest: P | undefined;
    const told = () => {
      const last = course.points().at(-1);
      if (last === newest || document.hidden) return;
      newest = last;
      plot?.setData(data_of(chart, course));
    };
    const themed = () => {
      if (light === course.ui.light()) return;
      light = course.ui.light();
      make();
    };
    told();
    const observer = new ResizeObserver(() => plot?.setSize(size_of(element)));
    observer.observe(element);
    const ends = [course.subscribe(told), course.ui.subscribe(themed), () => observer.disconnect(), () => plot?.destroy()];
    return () => ends.forEach((end) => end());
  }, []);
  return (
    <figure class="chart">
      <figcaption>
        <span class="chart-title">{chart.title}</span>
        {chart.curves.map((curve, i) => (
          <span key={curve.label} class={`key ${curve.minor ? "minor" : ""}`}>
            {!curve.minor && (
              <>
                <i class="stroke" style={{ background: `var(--${curve.colour})` }} />
                {curve.label}{" "}
              </>
            )}
            <b class="num" ref={(span) => void (spans.current[i] = span)} />
          </span>
        ))}
      </figcaption>
      <div ref={box} class="plot" role="img" aria-label={`Chart: ${chart.title}`} />
    </figure>
  );
}

export function Plots<P>({ charts, course }: { charts: Chart<P>[]; course: Course<P> }) {
  return (
    <section class="panel charts" aria-label="Charts">
      {charts.map((chart) => (
        <Plot key={chart.title} chart={chart} course={course} />
      ))}
    </section>
  );
}
