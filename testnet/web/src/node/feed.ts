// Keeps the store up to date: figures and counters every kEvery, the lists of members and contacts when an event says so and every
// kListsEvery, events as they come, and the log while somebody looks at it.
//
// While the page is hidden nothing is asked and no stream is held, as a browser has six connections to a host for all of its tabs. What
// the node does not answer is asked again; streams with growing pauses, kPauseMax at most.
import { LogLine } from "../loglines";
import { error_text, follow, read, read_text } from "./ask";
import { Contact, Event, Member, Status, Store } from "./data";
import { parse, Rates } from "./metrics";

const kEvery = 1000;
const kListsEvery = 5000;
const kPauseMin = 500;
const kPauseMax = 8000;
const kSilence = 3000;

const rest = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

// A stream that is open while it is wanted.
class Line {
  private held: AbortController | null = null;

  constructor(
    private readonly path: string,
    private readonly on_open: () => void,
    private readonly on_lines: (lines: string[]) => void,
    private readonly on_lost: (trouble: string) => void,
  ) {}

  want(wanted: boolean): void {
    if (!wanted) {
      this.held?.abort();
      this.held = null;
    } else if (!this.held) {
      this.held = new AbortController();
      void this.run(this.held);
    }
  }

  private async run(held: AbortController): Promise<void> {
    for (let pause = kPauseMin; this.held === held; pause = Math.min(kPauseMax, 2 * pause)) {
      let trouble = "the node ended it";
      try {
        await follow(
          this.path,
          held.signal,
          () => {
            pause = kPauseMin;
            this.on_open();
          },
          this.on_lines,
        );
      } catch (error) {
        trouble = error_text(error);
      }
      if (this.held !== held) return;
      this.on_lost(trouble);
      await rest(pause);
    }
  }
}

export class Feed {
  private readonly rates = new Rates();
  private readonly events: Line;
  private readonly log: Line;
  private log_wanted = false;
  private listened = false;
  private lists_at = 0;
  private heard = 0;

  constructor(private readonly store: Store) {
    this.events = new Line(
      "/v1/events",
      () => {
        // The node tells no event twice: what was while nobody listened is not known here.
        if (this.listened) store.add_events([{ event: "gap", t_ms: Date.now() }]);
        this.listened = true;
        this.lists_at = 0;
      },
      (lines) => {
        const events = lines.map((line) => JSON.parse(line) as Event);
        if (events.some((event) => event.event === "member")) this.lists_at = 0;
        store.add_events(events);
      },
      () => {},
    );
    this.log = new Line(
      "/v1/log?follow=1",
      () => store.begin_log(),
      (lines) => store.add_log(lines.map((line) => JSON.parse(line) as LogLine)),
      (trouble) => store.lose_log(trouble),
    );
    document.addEventListener("visibilitychange", () => this.choose());
    this.choose();
    void this.poll();
    setInterval(() => {
      if (store.connection === "live" && !document.hidden && Date.now() - this.heard > kSilence) store.set_connection("stale");
    }, kEvery);
  }

  follow_log(wanted: boolean): void {
    this.log_wanted = wanted;
    this.choose();
  }

  private choose(): void {
    this.events.want(!document.hidden);
    this.log.want(this.log_wanted && !document.hidden);
  }

  private async poll(): Promise<void> {
    for (let next = performance.now() + kEvery; ; next = Math.max(next + kEvery, performance.now())) {
      if (document.hidden) {
        this.rates.forget();
        this.store.note_gap();
      } else {
        await this.ask();
      }
      await rest(next - performance.now());
    }
  }

  private async ask(): Promise<void> {
    try {
      const [status, text] = await Promise.all([read<Status>("/v1/status"), read_text("/metrics")]);
      this.heard = Date.now();
      this.store.set_status(status, this.rates.add(this.heard / 1000, parse(text)));
      if (performance.now() >= this.lists_at) {
        this.lists_at = performance.now() + kListsEvery;
        const [members, contacts] = await Promise.all([read<Member[]>("/v1/members"), read<Contact[]>("/v1/peers")]);
        this.store.set_lists(members, contacts);
      }
      this.store.set_connection("live");
    } catch (error) {
      this.rates.forget();
      this.store.note_gap();
      this.lists_at = 0;
      this.store.set_connection("lost", error_text(error));
    }
  }
}
