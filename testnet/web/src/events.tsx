// What happened, newest first. The store bounds how much is kept; kShown lines are in the page.
import { useState } from "preact/hooks";
import { clock, Event } from "./data";
import { store, ui, use } from "./ui";

const kShown = 500;
const kKinds = ["all", "process", "ready", "suspect", "failed", "alive", "left"] as const;
type Kind = (typeof kKinds)[number];

function kind_of(event: Event): Kind {
  return event.what === "sight" ? event.state : event.what === "run" ? "process" : "ready";
}

function Name({ i }: { i: number }) {
  return (
    <button class="link" tabIndex={-1} onClick={() => ui.select(i)}>
      {store.name(i)}
    </button>
  );
}

const kVerb = { alive: "sees again", suspect: "suspects", failed: "gives up", left: "saw leave" } as const;

function Line({ event }: { event: Event }) {
  const colour = { all: "", process: "accent", ready: "ok", suspect: "warn", failed: "bad", alive: "ok", left: "left" }[kind_of(event)];
  return (
    <li>
      <time class="dim num">{clock(event.t_ms)}</time>
      <i class={`dot ${colour}`} />
      {event.what === "sight" ? (
        <span>
          <Name i={event.by} /> {kVerb[event.state] ?? event.state} <Name i={event.about} />
        </span>
      ) : (
        <span>
          <Name i={event.node} /> {event.what === "run" ? `is ${event.run}` : "is ready"}
        </span>
      )}
    </li>
  );
}

export function Events() {
  use(store);
  const [kind, set_kind] = useState<Kind>("all");
  const shown = [];
  for (let at = store.events.length - 1; at >= 0 && shown.length < kShown; at--) {
    const each = store.events[at]!;
    if (kind === "all" || kind_of(each.event) === kind) shown.push(<Line key={each.n} event={each.event} />);
  }
  return (
    <section class="panel events" aria-label="Events">
      <h2>
        Events
        <label class="end">
          <span class="sr">Kind</span>
          <select value={kind} onChange={(event) => set_kind(event.currentTarget.value as Kind)}>
            {kKinds.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
      </h2>
      <ul class="scroll" data-testid="events" tabIndex={0} aria-label="Events, newest first">
        {shown}
        {!shown.length && <li class="dim">Nothing yet.</li>}
        {store.events_left_off > 0 && <li class="dim">{store.events_left_off} more are not kept</li>}
      </ul>
    </section>
  );
}
