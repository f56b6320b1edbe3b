// What the node has, in tables: members, routing table, own values, shared state, and how it is. The first two come with the store; the
// others are asked every kEvery while they are shown.
import { useEffect, useState } from "preact/hooks";
import { poll } from "../poll";
import { use } from "../shared";
import { error_text, read } from "./ask";
import { bytes_text, Contact, kStateDot, Member, MemberState, span_text } from "./data";
import { Column, Table } from "./table";
import { store, ui } from "./ui";

const kEvery = 2000;
const kTabs = ["members", "buckets", "values", "state", "health"] as const;
type Tab = (typeof kTabs)[number];
const kStates = ["all", "alive", "suspect", "failed", "left"] as const;

const short = (id: string) => `${id.slice(0, 8)}…`;
const ms = (x: number | null) => (x === null ? "–" : x.toFixed(x < 10 ? 2 : 1));

function Choose({ id, name }: { id: string; name: string }) {
  return (
    <button class="link" aria-pressed={ui.selected === id} onClick={() => ui.select(ui.selected === id ? null : id)}>
      {name}
    </button>
  );
}

const kMemberColumns: Column<Member>[] = [
  { name: "name", by: (m) => m.name, show: (m) => <Choose id={m.id} name={m.name} /> },
  {
    name: "state",
    by: (m) => m.state,
    show: (m) => (
      <>
        <i class={`dot ${kStateDot[m.state]}`} />
        {m.state}
      </>
    ),
  },
  { name: "address", by: (m) => m.address, mono: true },
  { name: "rtt ms", by: (m) => m.rtt_ms, show: (m) => (m.id === store.status?.id ? "self" : ms(m.rtt_ms)) },
  { name: "incarnation", by: (m) => m.incarnation },
  { name: "id", by: (m) => m.id, show: (m) => short(m.id), title: (m) => m.id, mono: true },
  { name: "tags", by: (m) => tags_text(m.tags) || null },
];

export function tags_text(tags: Record<string, string>): string {
  return Object.entries(tags)
    .map(([key, value]) => `${key}=${value}`)
    .join(" ");
}

function Members() {
  const [state, set_state] = useState<MemberState | "all">("all");
  const [text, set_text] = useState("");
  const wanted = text.trim().toLowerCase();
  const rows = store.members.filter(
    (member) => (state === "all" || member.state === state) && `${member.name} ${member.id} ${member.address} ${tags_text(member.tags)}`.toLowerCase().includes(wanted),
  );
  return (
    <>
      <div class="row">
        <input class="wide" data-testid="filter" value={text} placeholder="name, id, address or tag" aria-label="Filter of members" spellcheck={false} onInput={(event) => set_text(event.currentTarget.value)} />
        <label>
          <span class="sr">State</span>
          <select value={state} onChange={(event) => set_state(event.currentTarget.value as MemberState | "all")}>
            {kStates.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
      </div>
      <Table rows={rows} columns={kMemberColumns} key_of={(member) => member.id} testid="table-members" />
    </>
  );
}

function name_of(id: string): string {
  return store.spot(id)?.name ?? short(id);
}

const kBucketColumns: Column<Contact>[] = [
  { name: "bucket", by: (c) => c.bucket },
  { name: "contact", by: (c) => name_of(c.id), show: (c) => <Choose id={c.id} name={name_of(c.id)} /> },
  { name: "address", by: (c) => c.address, mono: true },
  { name: "rtt ms", by: (c) => c.rtt_ms, show: (c) => ms(c.rtt_ms) },
  { name: "seen before", by: (c) => c.last_seen_s, show: (c) => span_text(c.last_seen_s) },
  { name: "id", by: (c) => c.id, show: (c) => short(c.id), title: (c) => c.id, mono: true },
];

// What GET `path` answers, or why it does not.
function use_asked<T>(path: string): { value?: T; trouble?: string } {
  const [answer, set_answer] = useState<{ value?: T; trouble?: string }>({});
  useEffect(
    () =>
      poll(
        kEvery,
        () => read<T>(path),
        (value) => set_answer({ value }),
        (error) => set_answer({ trouble: error_text(error) }),
      ),
    [path],
  );
  return answer;
}

function Trouble({ trouble }: { trouble?: string }) {
  return trouble ? <p class="bad-text">{trouble}</p> : <p class="dim">Asking the node …</p>;
}

interface Own {
  key: string;
  seq: number;
  bytes: number;
  copies: number;
  expires_s: number;
  next_republish_s: number;
  withdrawn: boolean;
}

const kOwnColumns: Column<Own>[] = [
  { name: "key", by: (v) => v.key, show: (v) => short(v.key.replace("hex:", "")), title: (v) => v.key, mono: true },
  { name: "number", by: (v) => v.seq },
  { name: "bytes", by: (v) => v.bytes },
  { name: "copies", by: (v) => v.copies },
  { name: "expires in", by: (v) => v.expires_s, show: (v) => span_text(v.expires_s) },
  { name: "again in", by: (v) => v.next_republish_s, show: (v) => span_text(v.next_republish_s) },
  { name: "withdrawn", by: (v) => (v.withdrawn ? "yes" : null) },
];

function Values() {
  const { value, trouble } = use_asked<Own[]>("/v1/own?limit=500");
  const held = store.status?.store;
  return (
    <>
      {held && (
        <p class="dim">
          Holds {held.values} values of all authors, {bytes_text(held.bytes)} of {bytes_text(held.bytes_max)}. Its own {held.own}:
        </p>
      )}
      {value ? <Table rows={value} columns={kOwnColumns} key_of={(own) => own.key} testid="table-values" /> : <Trouble trouble={trouble} />}
    </>
  );
}

interface Space {
  namespace: string;
  id: string;
  creator: string;
  own: boolean;
  access: string;
  entries: number;
  bytes: number;
  authors: number;
  may_write: boolean;
  forks: number;
}

const kSpaceColumns: Column<Space>[] = [
  { name: "namespace", by: (s) => s.namespace },
  { name: "entries", by: (s) => s.entries },
  { name: "bytes", by: (s) => s.bytes, show: (s) => bytes_text(s.bytes) },
  { name: "authors", by: (s) => s.authors },
  { name: "access", by: (s) => `${s.access}${s.may_write ? "" : ", not for us"}` },
  { name: "creator", by: (s) => (s.own ? "this node" : name_of(s.creator)), title: (s) => s.creator },
  { name: "forks", by: (s) => s.forks },
];

function Spaces() {
  const { value, trouble } = use_asked<Space[]>("/v1/state/namespaces");
  return value ? <Table rows={value} columns={kSpaceColumns} key_of={(space) => space.id} testid="table-state" /> : <Trouble trouble={trouble} />;
}

interface Check {
  check: string;
  ok: boolean;
  detail: string;
}

function Health() {
  const { value, trouble } = use_asked<Check[]>("/v1/doctor");
  const health = store.status?.health ?? [];
  return (
    <>
      <ul class="checks">
        {health.map((line) => (
          <li key={line} class="note">
            {line}
          </li>
        ))}
      </ul>
      {value ? (
        <ul class="checks" data-testid="table-health">
          {value.map((each) => (
            <li key={each.check}>
              <i class={`dot ${each.ok ? "ok" : "bad"}`} />
              <b>{each.check}</b> <span class={each.ok ? "dim" : ""}>{each.detail}</span>
              <span class="sr">{each.ok ? "well" : "not well"}</span>
            </li>
          ))}
        </ul>
      ) : (
        <Trouble trouble={trouble} />
      )}
    </>
  );
}

export function Tables() {
  use(store, ui);
  const [tab, set_tab] = useState<Tab>("members");
  const counts: Partial<Record<Tab, number>> = {
    members: store.members.length,
    buckets: store.contacts.length,
    values: store.status?.store.own,
    state: store.status?.state.namespaces,
    health: store.status?.health.length,
  };
  return (
    <section class="panel tables" aria-label="What the node has">
      <div class="tabs" role="tablist" aria-label="Table">
        {kTabs.map((each) => (
          <button key={each} role="tab" data-testid={`tab-${each}`} aria-selected={each === tab} onClick={() => set_tab(each)}>
            {each} <span class="dim num">{counts[each] || ""}</span>
          </button>
        ))}
      </div>
      <div class="asked" role="tabpanel" aria-label={tab} tabIndex={0}>
        {tab === "members" && <Members />}
        {tab === "buckets" && <Table rows={store.contacts} columns={kBucketColumns} key_of={(contact) => contact.id} testid="table-buckets" />}
        {tab === "values" && <Values />}
        {tab === "state" && <Spaces />}
        {tab === "health" && <Health />}
      </div>
    </section>
  );
}
