// The course of the last ten minutes: small uPlot charts with one cursor for all of them.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { clock, Point } from "./data";
import { palette, store, ui } from "./ui";

const kPaint = ["ok", "warn", "bad", "accent", "text", "paused", "left", "dim", "line"] as const;
type Paint = (typeof kPaint)[number];

interface Line {
  label: string;
  colour: Paint;
  of: (point: Point) => number | null;
  dashed?: boolean;
  right?: boolean;
}

interface Chart {
  title: string;
  lines: Line[];
  // Lines between which the space is tinted.
  band?: [number, number];
  // Whether the axis may start above nought: small differences matter.
  close?: boolean;
  show: (value: number) => string;
}

const whole = (x: number) => (x >= 10_000 ? `${(x / 1000).toFixed(x >= 100_000 ? 0 : 1)}k` : String(Math.round(x * 10) / 10));
const ms = (x: number) => String(x >= 10 ? Math.round(x) : Math.round(x * 10) / 10);
const percent = (x: number) => `${Math.round(x * 100)} %`;

const kCharts: Chart[] = [
  {
    title: "Members",
    close: true,
    band: [2, 4],
    show: whole,
    lines: [
      { label: "running", colour: "ok", of: (p) => p.running },
      { label: "max", colour: "dim", of: (p) => p.members_max },
      { label: "median", colour: "accent", of: (p) => p.members_median },
      { label: "min", colour: "warn", of: (p) => p.members_min },
    ],
  },
  {
    title: "Doubts (pairs)",
    show: whole,
    lines: [
      { label: "suspect", colour: "warn", of: (p) => p.suspects },
      { label: "failed", colour: "bad", of: (p) => p.failed },
      { label: "false failures", colour: "paused", of: (p) => p.false_failures, dashed: true },
    ],
  },
  {
    title: "Traffic of a node / s",
    show: whole,
    lines: [
      { label: "bytes", colour: "accent", of: (p) => p.bytes_per_node_s },
      { label: "packets", colour: "paused", of: (p) => p.packets_per_node_s, right: true },
    ],
  },
  {
    title: "p50 and p99, ms",
    show: ms,
    lines: [
      { label: "put", colour: "accent", of: (p) => p.ops?.put.p50_ms ?? null },
      { label: "put p99", colour: "accent", of: (p) => p.ops?.put.p99_ms ?? null, dashed: true },
      { label: "get", colour: "ok", of: (p) => p.ops?.get.p50_ms ?? null },
      { label: "get p99", colour: "ok", of: (p) => p.ops?.get.p99_ms ?? null, dashed: true },
      { label: "lookup", colour: "paused", of: (p) => p.ops?.lookup.p50_ms ?? null },
      { label: "lookup p99", colour: "paused", of: (p) => p.ops?.lookup.p99_ms ?? null, dashed: true },
    ],
  },
  { title: "CPU of all, of one core", show: percent, lines: [{ label: "cpu", colour: "accent", of: (p) => p.cpu_share }] },
  { title: "Copies of values held", show: whole, lines: [{ label: "values", colour: "accent", of: (p) => p.values }] },
];

function data_of(chart: Chart): uPlot.AlignedData {
  const points = store.state?.points ?? [];
  return [points.map((point) => point.t_ms / 1000), ...chart.lines.map((line) => points.map((point) => line.of(point) ?? null))];
}

function fade(rgb: string, alpha: number): string {
  return rgb.replace(/^rgba?\(([^)]*)\)$/, (_, inner: string) => `rgba(${inner.split(",").slice(0, 3).join(",")}, ${alpha})`);
}

function size_of(element: HTMLElement): { width: number; height: number } {
  return { width: Math.max(120, element.clientWidth), height: Math.max(60, element.clientHeight) };
}

function options_of(chart: Chart, size: { width: number; height: number }): uPlot.Options {
  const paint = palette(...kPaint);
  const axis = { stroke: paint.dim, font: "10px system-ui, sans-serif", grid: { stroke: paint.line, width: 0.5 }, ticks: { show: false } };
  const values = (_: uPlot, splits: number[]) => splits.map((split) => chart.show(split));
  const times = (_: uPlot, splits: number[]) => splits.map((split) => clock(split * 1000));
  const no_grid = { show: false };
  const right = chart.lines.some((line) => line.right);
  // From nought, and never flat: an axis of one value has no marks.
  const range = (_: uPlot, low: number, high: number): [number, number] => {
    const from = chart.close ? Math.max(0, Math.min(low, high - 8) - 2) : 0;
    return [from, high > from ? high + (high - from) * 0.08 : from + 1];
  };
  return {
    ...size,
    padding: [6, right ? 0 : 8, 0, 0],
    cursor: { sync: { key: "weft" }, points: { size: 5 }, drag: { x: false, y: false }, y: false },
    legend: { show: false },
    scales: { x: { time: false }, y: { range }, right: { range } },
    axes: [
      { ...axis, size: 18, gap: 1, space: 70, incrs: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600], values: times },
      { ...axis, size: 46, gap: 3, space: 26, values },
      ...(right ? [{ ...axis, size: 34, gap: 3, space: 26, scale: "right", side: 1 as const, values, grid: no_grid }] : []),
    ],
    series: [
      {},
      ...chart.lines.map((line) => ({
        label: line.label,
        scale: line.right ? "right" : "y",
        stroke: paint[line.colour],
        width: line.dashed ? 1 : 1.5,
        dash: line.dashed ? [4, 3] : undefined,
        points: { show: false },
        spanGaps: false,
      })),
    ],
    bands: chart.band ? [{ series: chart.band, fill: fade(paint.dim, 0.16) }] : [],
  };
}

// Values at the cursor, or the newest, beside their names: written straight to the page, as they change with every move of the mouse.
function write_values(chart: Chart, plot: uPlot, spans: (HTMLElement | null)[]): void {
  const at = plot.cursor.idx ?? plot.data[0].length - 1;
  chart.lines.forEach((_, line) => {
    const value = plot.data[line + 1]?.[at];
    const span = spans[line];
    if (span) span.textContent = value === null || value === undefined ? "–" : chart.show(value);
  });
}

function Plot({ chart }: { chart: Chart }) {
  const box = useRef<HTMLDivElement>(null);
  const spans = useRef<(HTMLElement | null)[]>([]);
  useEffect(() => {
    const element = box.current!;
    let plot: uPlot | null = null;
    let light = ui.light();
    const make = () => {
      plot?.destroy();
      const options = options_of(chart, size_of(element));
      const write = (each: uPlot) => write_values(chart, each, spans.current);
      options.hooks = { setCursor: [write], setData: [write] };
      plot = new uPlot(options, data_of(chart), element);
      write(plot);
    };
    make();
    let newest = -1;
    const told = () => {
      const last = store.state?.points.at(-1)?.t_ms ?? -1;
      if (last === newest || document.hidden) return;
      newest = last;
      plot?.setData(data_of(chart));
    };
    const themed = () => {
      if (light === ui.light()) return;
      light = ui.light();
      make();
    };
    told();
    const observer = new ResizeObserver(() => plot?.setSize(size_of(element)));
    observer.observe(element);
    const ends = [store.subscribe(told), ui.subscribe(themed), () => observer.disconnect(), () => plot?.destroy()];
    return () => ends.forEach((end) => end());
  }, []);
  return (
    <figure class="chart">
      <figcaption>
        <span class="chart-title">{chart.title}</span>
        {chart.lines.map((line, i) => (
          <span key={line.label} class={`key ${/p99/.test(line.label) ? "minor" : ""}`}>
            {!/p99/.test(line.label) && (
              <>
                <i class="stroke" style={{ background: `var(--${line.colour})` }} />
                {line.label}{" "}
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

export function Charts() {
  return (
    <section class="panel charts" aria-label="Charts">
      {kCharts.map((chart) => (
        <Plot key={chart.title} chart={chart} />
      ))}
    </section>
  );
}
