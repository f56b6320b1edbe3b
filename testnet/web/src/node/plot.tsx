// A chart over time with uPlot: curves of a list of points, one cursor for all charts of the page, values beside the names.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { palette } from "../shared";
import { time_text } from "./data";
import { Point } from "./metrics";
import { store, ui } from "./ui";

const kPaint = ["ok", "warn", "bad", "accent", "text", "paused", "dim", "line"] as const;
export type Paint = (typeof kPaint)[number];

export interface Curve {
  label: string;
  colour: Paint;
  of: (point: Point) => number | null;
  dashed?: boolean;
  right?: boolean;
  // Its value stands beside that of the curve before it, without its name.
  minor?: boolean;
}

export interface Chart {
  title: string;
  curves: Curve[];
  show: (value: number) => string;
  show_right?: (value: number) => string;
  // Marks at powers of two, on the right axis where there is one.
  bytes?: boolean;
}

const kPowersOfTwo = Array.from({ length: 40 }, (_, power) => 2 ** power);

function size_of(element: HTMLElement): { width: number; height: number } {
  return { width: Math.max(120, element.clientWidth), height: Math.max(60, element.clientHeight) };
}

function data_of(chart: Chart): uPlot.AlignedData {
  return [store.points.map((point) => point.t), ...chart.curves.map((curve) => store.points.map((point) => curve.of(point)))];
}

function options_of(chart: Chart, element: HTMLElement, write: (plot: uPlot) => void): uPlot.Options {
  const paint = palette(...kPaint);
  const axis = { stroke: paint.dim, font: "10px system-ui, sans-serif", grid: { stroke: paint.line, width: 0.5 }, ticks: { show: false } };
  const right = chart.curves.some((curve) => curve.right);
  const shown = (show: (value: number) => string) => (_: uPlot, splits: number[]) => splits.map(show);
  const bytes = chart.bytes ? { incrs: kPowersOfTwo } : {};
  // From nought, and never flat: an axis of one value has no marks.
  const range = (_: uPlot, _low: number, high: number): [number, number] => [0, high > 0 ? high * 1.08 : 1];
  return {
    ...size_of(element),
    padding: [6, right ? 0 : 24, 0, 0],
    cursor: { sync: { key: "weft" }, points: { size: 5 }, drag: { x: false, y: false }, y: false },
    legend: { show: false },
    scales: { x: { time: false }, y: { range }, right: { range } },
    axes: [
      { ...axis, size: 18, gap: 1, space: 70, incrs: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600], values: shown((t) => time_text(t * 1000)) },
      { ...axis, size: 52, gap: 3, space: 26, ...(right ? {} : bytes), values: shown(chart.show) },
      ...(right ? [{ ...axis, ...bytes, size: 52, gap: 3, space: 26, scale: "right", side: 1 as const, values: shown(chart.show_right ?? chart.show), grid: { show: false } }] : []),
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
    hooks: { setCursor: [write], setData: [write] },
  };
}

// Written straight to the page, as it changes with every move of the mouse.
function write_values(chart: Chart, plot: uPlot, spans: (HTMLElement | null)[]): void {
  const at = plot.cursor.idx ?? plot.data[0].length - 1;
  chart.curves.forEach((curve, i) => {
    const value = plot.data[i + 1]?.[at];
    const span = spans[i];
    const show = curve.right ? (chart.show_right ?? chart.show) : chart.show;
    if (span) span.textContent = value === null || value === undefined ? "–" : show(value);
  });
}

export function Plot({ chart }: { chart: Chart }) {
  const box = useRef<HTMLDivElement>(null);
  const spans = useRef<(HTMLElement | null)[]>([]);
  useEffect(() => {
    const element = box.current!;
    let plot: uPlot | null = null;
    let light = ui.light();
    const write = (each: uPlot) => write_values(chart, each, spans.current);
    const make = () => {
      plot?.destroy();
      plot = new uPlot(options_of(chart, element, write), data_of(chart), element);
      write(plot);
    };
    make();
    let newest = 0;
    const told = () => {
      const last = store.points.at(-1)?.t ?? 0;
      if (last === newest) return;
      newest = last;
      plot?.setData(data_of(chart));
    };
    const themed = () => {
      if (light === ui.light()) return;
      light = ui.light();
      make();
    };
    const observer = new ResizeObserver(() => plot?.setSize(size_of(element)));
    observer.observe(element);
    const ends = [store.subscribe(told), ui.subscribe(themed), () => observer.disconnect(), () => plot?.destroy()];
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
