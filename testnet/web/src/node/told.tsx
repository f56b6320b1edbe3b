// What the node tells: its events and, while somebody looks at it, its log; newest first. The store bounds how much is kept; kShown lines
// are in the page.
import { useEffect, useState } from "preact/hooks";
import { kLevels, Level, LogItem, LogLine, time_text } from "../loglines";
import { use } from "../shared";
import { Event, Numbered } from "./data";
import { feed, store, ui } from "./ui";

const kShown = 500;
const kKinds = ["all", "alive", "suspect", "failed", "left", "other"] as const;
type Kind = (typeof kKinds)[number];

function kind_of(event: Event): Kind {
  return event.event === "member" && event.to ? event.to : "other";
}

const kVerb = { alive: "is back", suspect: "is suspected", failed: "has failed", left: "has left" } as const;
const kKindDot: Record<Kind, string> = { all: "", alive: "ok", suspect: "warn", failed: "bad", left: "left", other: "accent" };

// Fields of an event that is not of a member, as they come.
function other_text(event: Event): string {
  if (event.event === "gap") return "connected again: events before this may be missing";
  const fields = Object.entries(event).filter(([name]) => name !== "event" && name !== "t_ms");
  return `${event.event} ${fields.map(([name, value]) => `${name}=${Array.isArray(value) ? value.join(",") : String(value)}`).join(" ")}`;
}

function newest<T>(lines: Numbered<T>[], wanted: (line: T) => boolean): Numbered<T>[] {
  const out: Numbered<T>[] = [];
  for (let at = lines.length - 1; at >= 0 && out.length < kShown; at--) if (wanted(lines[at]!.line)) out.push(lines[at]!);
  return out;
}

function EventLine({ event }: { event: Event }) {
  const { id, to } = event;
  return (
    <li>
      <time class="dim num">{time_text(event.t_ms)}</time>
      <i class={`dot ${kKindDot[kind_of(event)]}`} />
      {event.event === "member" && id && to ? (
        <span>
          <button class="link" tabIndex={-1} onClick={() => ui.select(id)}>
            {event.name}
          </button>{" "}
          {to === "alive" && !event.from ? "joined" : kVerb[to]}
        </span>
      ) : (
        <span>{other_text(event)}</span>
      )}
    </li>
  );
}

function Events({ kind }: { kind: Kind }) {
  const shown = newest(store.events, (event) => kind === "all" || kind_of(event) === kind);
  return (
    <ul class="scroll" data-testid="events" tabIndex={0} aria-label="Events, newest first">
      {shown.map(({ n, line }) => (
        <EventLine key={n} event={line} />
      ))}
      {!shown.length && <li class="dim">Nothing since the page was opened.</li>}
    </ul>
  );
}

function Log({ level }: { level: Level }) {
  useEffect(() => {
    feed.follow_log(true);
    return () => feed.follow_log(false);
  }, []);
  const from = kLevels.indexOf(level);
  const shown = newest(store.log, (line: LogLine) => kLevels.indexOf(line.level) >= from);
  return (
    <ul class="scroll" data-testid="log" tabIndex={0} aria-label="Log, newest first">
      {store.log_trouble && <li class="bad-text">{store.log_trouble}</li>}
      {shown.map(({ n, line }) => (
        <LogItem key={n} line={line} />
      ))}
      {!shown.length && !store.log_trouble && <li class="dim">Nothing.</li>}
    </ul>
  );
}

function Select<T extends string>({ label, of, value, set }: { label: string; of: readonly T[]; value: T; set: (value: T) => void }) {
  return (
    <label class="end">
      <span class="sr">{label}</span>
      <select value={value} onChange={(event) => set(event.currentTarget.value as T)}>
        {of.map((each) => (
          <option key={each}>{each}</option>
        ))}
      </select>
    </label>
  );
}

export function Told() {
  use(store);
  const [tab, set_tab] = useState<"events" | "log">("events");
  const [kind, set_kind] = useState<Kind>("all");
  const [level, set_level] = useState<Level>("info");
  return (
    <section class="panel events" aria-label="What the node tells">
      <div class="tabs" role="tablist" aria-label="Events or log">
        {(["events", "log"] as const).map((each) => (
          <button key={each} role="tab" data-testid={`tab-${each}`} aria-selected={each === tab} onClick={() => set_tab(each)}>
            {each}
          </button>
        ))}
        {tab === "events" ? <Select label="Kind" of={kKinds} value={kind} set={set_kind} /> : <Select label="Level" of={kLevels} value={level} set={set_level} />}
      </div>
      {tab === "events" ? <Events kind={kind} /> : <Log level={level} />}
    </section>
  );
}
