// What one node tells (the types of its JSON, docs/CONTROL.md) and the store that keeps it.
//
// Bounds: kMaxPoints seconds of history, kMaxEvents events, kMaxLog lines of the log. Who listens is called once an answer or chunk.
import { Source } from "../data";
import { LogLine } from "../loglines";
import { gap, Point } from "./metrics";

export type MemberState = "alive" | "suspect" | "failed" | "left";

export interface Member {
  id: string;
  name: string;
  address: string;
  state: MemberState;
  incarnation: number;
  rtt_ms: number | null;
  tags: Record<string, string>;
}

export interface Contact {
  id: string;
  address: string;
  bucket: number;
  rtt_ms: number | null;
  last_seen_s: number;
}

export interface Status {
  health: string[];
  id: string;
  name: string | null;
  version: string;
  network: string;
  private: boolean;
  ready: boolean;
  leaving: boolean;
  listen: string[];
  uptime_s: number;
  members: Record<MemberState, number>;
  routing: { contacts: number; buckets: number };
  store: { values: number; bytes: number; bytes_max: number; own: number; own_copies_min: number };
  state: { namespaces: number; entries: number; bytes: number };
  sessions: number;
  network_size_estimate: number;
}

// A line of GET /v1/events: `event` says which fields it has. `gap` is our own: what was before, since the last one, is not known.
export interface Event {
  event: string;
  t_ms: number;
  id?: string;
  name?: string;
  from?: MemberState | null;
  to?: MemberState;
  [field: string]: unknown;
}

export interface Numbered<T> {
  n: number;
  line: T;
}

export type Connection = "connecting" | "live" | "stale" | "lost";

// Where something stands on the ring: a member, or a contact of the routing table that the list of members does not have.
export interface Spot {
  id: string;
  name: string;
  state: MemberState | "contact";
  member: Member | null;
  contact: Contact | null;
}

export const kMaxPoints = 600;
const kMaxEvents = 500;
const kMaxLog = 1000;

function push_bounded<T>(list: T[], added: T[], most: number): void {
  list.push(...added.slice(-most));
  if (list.length > most) list.splice(0, list.length - most);
}

export class Store extends Source {
  connection: Connection = "connecting";
  // Why, where it is lost.
  trouble = "";
  status: Status | null = null;
  members: Member[] = [];
  contacts: Contact[] = [];
  spots: Spot[] = [];
  points: Point[] = [];
  // Oldest first.
  events: Numbered<Event>[] = [];
  log: Numbered<LogLine>[] = [];
  log_trouble = "";
  // Those of the last chunk alone, for the ring's flashes.
  fresh: Event[] = [];
  private next = 0;

  set_connection(connection: Connection, trouble = ""): void {
    if (connection === this.connection && trouble === this.trouble) return;
    this.connection = connection;
    this.trouble = trouble;
    this.notify();
  }

  set_status(status: Status, point: Point): void {
    this.status = status;
    push_bounded(this.points, [point], kMaxPoints);
    this.notify();
  }

  // Nobody looked for a while.
  note_gap(): void {
    const last = this.points.at(-1);
    if (last && last.alive !== null) push_bounded(this.points, [gap(last.t + 0.5)], kMaxPoints);
  }

  set_lists(members: Member[], contacts: Contact[]): void {
    this.members = members;
    this.contacts = contacts;
    const by_id = new Map(contacts.map((contact) => [contact.id, contact]));
    this.spots = members.map((member) => ({ id: member.id, name: member.name, state: member.state, member, contact: by_id.get(member.id) ?? null }));
    for (const member of members) by_id.delete(member.id);
    for (const contact of by_id.values()) {
      this.spots.push({ id: contact.id, name: `${contact.id.slice(0, 8)}…`, state: "contact", member: null, contact });
    }
    this.notify();
  }

  add_events(events: Event[]): void {
    push_bounded(
      this.events,
      events.map((line) => ({ n: this.next++, line })),
      kMaxEvents,
    );
    this.fresh = events;
    this.notify();
    this.fresh = [];
  }

  // The node tells its last lines anew whenever the stream is opened.
  begin_log(): void {
    this.log = [];
    this.log_trouble = "";
    this.notify();
  }

  add_log(lines: LogLine[]): void {
    push_bounded(
      this.log,
      lines.map((line) => ({ n: this.next++, line })),
      kMaxLog,
    );
    this.notify();
  }

  lose_log(trouble: string): void {
    this.log_trouble = trouble;
    this.notify();
  }

  spot(id: string | null): Spot | null {
    return (id === null ? null : this.spots.find((spot) => spot.id === id)) ?? null;
  }
}

export const kStateDot: Record<Spot["state"], string> = { alive: "ok", suspect: "warn", failed: "bad", left: "left hollow", contact: "dim hollow" };

export function state_text(spot: Spot): string {
  const word = { alive: "alive", suspect: "suspected", failed: "failed", left: "has left", contact: "contact only" }[spot.state];
  return spot.contact && spot.state !== "contact" ? `${word}, contact` : word;
}

export function bytes_text(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB"];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) {
    n /= 1024;
    unit++;
  }
  return `${unit === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[unit]}`;
}

export function span_text(s: number): string {
  if (s < 60) return `${Math.round(s)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}
