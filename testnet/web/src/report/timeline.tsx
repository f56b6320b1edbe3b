// The story of a run: its phases, what was done to it and what went wrong, on the time axis that the charts below share.
import { useEffect, useRef } from "preact/hooks";
import { use } from "../shared";
import { describe, Event, Span, spans, Told } from "./data";
import { cursor, moment, stretch } from "./look";
import { kLeft, kRight, show_cursor } from "./plot";
import { Name } from "./tables";

interface Lane {
  label: string;
  colour: string;
  marks: Event[];
  bars: Span[];
}

const kLanes: { label: string; colour: string; of: string[] }[] = [
  { label: "formed", colour: "ok", of: ["formed"] },
  { label: "started", colour: "ok", of: ["start", "restart"] },
  { label: "killed", colour: "bad", of: ["kill"] },
  { label: "stopped", colour: "left", of: ["stop"] },
  { label: "lost", colour: "bad", of: ["lost"] },
  { label: "paused", colour: "paused", of: ["pause"] },
  { label: "resumed", colour: "paused", of: ["resume"] },
  { label: "link", colour: "accent", of: ["link"] },
  { label: "false fail.", colour: "bad", of: ["false_failure"] },
  { label: "stale", colour: "warn", of: ["stale"] },
  { label: "failed ops", colour: "warn", of: ["op_failed"] },
];

// Events that have their own place, or that are too many to be marks.
const kElsewhere = new Set(["phase", "say", "op", "sample", "death", "done", "partition", "heal", "churn", "churn_over", ...kLanes.flatMap((lane) => lane.of)]);

export function faults(told: Told): Span[] {
  return spans(told.run.events, "partition", "heal", told.end);
}

function lanes_of(told: Told): Lane[] {
  const { events } = told.run;
  const lanes: Lane[] = [
    { label: "partition", colour: "bad", marks: [], bars: faults(told) },
    { label: "churn", colour: "paused", marks: [], bars: spans(events, "churn", "churn_over", told.end) },
    ...kLanes.map((lane) => ({ label: lane.label, colour: lane.colour, marks: events.filter((e) => lane.of.includes(e.event)), bars: [] })),
    { label: "other", colour: "accent", marks: events.filter((e) => !kElsewhere.has(e.event)), bars: [] },
  ];
  return lanes.filter((lane) => lane.marks.length || lane.bars.length);
}

const kBins = 240;

// Marks so close that they would hide each other are one, the taller the more they are.
function heaps(marks: Event[]): { from: number; share: number; events: Event[] }[] {
  const bins = new Map<number, Event[]>();
  for (const mark of marks) {
    const share = stretch.share(mark.t);
    if (share < 0 || share > 1) continue;
    const bin = Math.round(share * kBins);
    const had = bins.get(bin);
    if (had) had.push(mark);
    else bins.set(bin, [mark]);
  }
  return [...bins].map(([bin, events]) => ({ from: events[0]!.t, share: bin / kBins, events }));
}

function heap_title(label: string, heap: { from: number; events: Event[] }): string {
  const at = moment(heap.from, stretch.end);
  const [first] = heap.events;
  return heap.events.length === 1 && first ? `${at}: ${describe(first)}` : `from ${at}: ${heap.events.length} × ${label}`;
}

function LaneOf({ lane }: { lane: Lane }) {
  const all = heaps(lane.marks);
  const most = Math.max(1, ...all.map((heap) => heap.events.length));
  const count = lane.marks.length;
  return (
    <div class="lane">
      <span class="lane-label" title={count ? `${lane.label}: ${count}` : lane.label}>
        {lane.label}
      </span>
      <div class="lane-line">
        {lane.bars.map((bar) => (
          <Bar key={bar.from} from={bar.from} to={bar.to} colour={lane.colour} title={`${moment(bar.from, stretch.end)} to ${moment(bar.to, stretch.end)}: ${bar.what}`} />
        ))}
        {all.map((heap) => (
          <i
            key={heap.share}
            class="mark"
            title={heap_title(lane.label, heap)}
            style={{ left: `${heap.share * 100}%`, height: `${40 + 60 * Math.sqrt(heap.events.length / most)}%`, color: `var(--${lane.colour})` }}
          />
        ))}
      </div>
      <span class="lane-count num dim">{count > 0 ? count.toLocaleString("en-US") : ""}</span>
    </div>
  );
}

function Bar({ from, to, colour, title }: { from: number; to: number; colour: string; title: string }) {
  const [left, right] = [Math.max(0, stretch.share(from)), Math.min(1, stretch.share(to))];
  if (right < 0 || left > 1) return null;
  return <i class="bar" title={title} style={{ left: `${left * 100}%`, width: `${Math.max(0.3, (right - left) * 100)}%`, color: `var(--${colour})` }} />;
}

// Beside a phase too short for its name nothing is written; its name is in the title and in the table.
function Phases({ told }: { told: Told }) {
  return (
    <div class="lane phases">
      <span class="lane-label">phases</span>
      <div class="lane-line">
        {told.run.report.phases.map((phase, i) => {
          const [left, right] = [Math.max(0, stretch.share(phase.start_s)), Math.min(1, stretch.share(phase.end_s))];
          if (right < 0 || left > 1) return null;
          return (
            <span
              key={i}
              class={`phase ${i % 2 ? "odd" : ""}`}
              title={`${phase.name}: ${moment(phase.start_s, stretch.end)} to ${moment(phase.end_s, stretch.end)}`}
              style={{ left: `${left * 100}%`, width: `${Math.max(0, right - left) * 100}%` }}
            >
              {right - left > 0.035 ? phase.name : ""}
            </span>
          );
        })}
      </div>
    </div>
  );
}

function Sayings({ told }: { told: Told }) {
  const said = told.run.events.filter((e) => e.event === "say");
  if (said.length === 0) return null;
  return (
    <ol class="said-list">
      {said.map((e, i) => (
        <li key={i}>
          <span class="num dim">{moment(e.t, told.end)}</span>
          <span>{String(e.text)}</span>
        </li>
      ))}
    </ol>
  );
}

// Sayings at one moment share one number plate.
function SaidLane({ told }: { told: Told }) {
  const groups: { t: number; from: number; to: number }[] = [];
  told.run.events
    .filter((e) => e.event === "say")
    .forEach((e, i) => {
      const last = groups.at(-1);
      if (last && Math.abs(stretch.share(e.t) - stretch.share(last.t)) < 0.034) last.to = i + 1;
      else groups.push({ t: e.t, from: i + 1, to: i + 1 });
    });
  if (groups.length === 0) return null;
  return (
    <div class="lane said-lane">
      <span class="lane-label">told</span>
      <div class="lane-line">
        {groups.map((group) => {
          const share = stretch.share(group.t);
          return share < 0 || share > 1 ? null : (
            <b key={group.from} class="plate num" style={{ left: `${share * 100}%` }}>
              {group.from === group.to ? group.from : `${group.from}–${group.to}`}
            </b>
          );
        })}
      </div>
    </div>
  );
}

// Written straight to the page, as it changes with every move of the mouse.
function CursorLine() {
  const line = useRef<HTMLDivElement>(null);
  const label = useRef<HTMLSpanElement>(null);
  useEffect(
    () =>
      cursor.subscribe(() => {
        const share = cursor.t === null ? -1 : stretch.share(cursor.t);
        line.current!.style.display = share < 0 || share > 1 ? "none" : "block";
        line.current!.style.left = `${share * 100}%`;
        label.current!.textContent = cursor.t === null ? "" : moment(cursor.t, stretch.end);
      }),
    [],
  );
  return (
    <div class="cursor-line" ref={line}>
      <span class="num" ref={label} />
    </div>
  );
}

function point(e: PointerEvent & { currentTarget: HTMLElement }): void {
  const box = e.currentTarget.getBoundingClientRect();
  const share = (e.clientX - box.left - kLeft) / (box.width - kLeft - kRight);
  show_cursor(share < 0 || share > 1 ? null : stretch.min + share * (stretch.max - stretch.min));
}

export function Timeline({ told, several }: { told: Told; several: boolean }) {
  use(stretch);
  const left_out = told.run.events_left_out ?? 0;
  return (
    <div class="timeline" style={{ "--left": `${kLeft}px`, "--right": `${kRight}px` }}>
      {several && (
        <h3>
          <Name told={told} />
        </h3>
      )}
      <div class="lanes" onPointerMove={point} onPointerLeave={() => show_cursor(null)}>
        <Phases told={told} />
        <SaidLane told={told} />
        {lanes_of(told).map((lane) => (
          <LaneOf key={lane.label} lane={lane} />
        ))}
        <div class="over">
          <CursorLine />
        </div>
      </div>
      {several ? (
        <details>
          <summary>What it was told</summary>
          <Sayings told={told} />
        </details>
      ) : (
        <Sayings told={told} />
      )}
      {left_out > 0 && <p class="note">{left_out.toLocaleString("en-US")} events of this run were left out of the report: marks and curves are of the others.</p>}
    </div>
  );
}
