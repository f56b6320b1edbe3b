// One node: what the testnet knows of it, what it says itself (asked every kEvery while shown), and buttons for its process.
//
// The node's answers are shown as they come: fields nobody here has heard of appear too. Tables end after kRows rows, of the log the last
// kLines lines are shown.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { act, answer_text, error_text, read, read_lines, token } from "./api";
import { look_of, look_text, Node } from "./data";
import { LogItem, LogLine } from "./loglines";
import { poll } from "./poll";
import { store, ui, use } from "./ui";

const kEvery = 2000;
const kRows = 100;
const kColumns = 8;
const kLines = 200;
// So near its end a log counts as scrolled there.
const kNearPx = 8;
const kTabs = ["status", "members", "buckets", "values", "state", "health", "log"] as const;
type Tab = (typeof kTabs)[number];

type Row = Record<string, unknown>;

function is_object(value: unknown): value is Row {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function short(value: unknown): string {
  if (value === null || value === undefined) return "–";
  if (typeof value === "string") return /^[0-9a-f]{32,}$/.test(value) ? `${value.slice(0, 8)}…` : value;
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : value.toFixed(Math.abs(value) < 10 ? 2 : 1);
  if (Array.isArray(value)) return value.length ? value.map(short).join(", ") : "–";
  if (is_object(value)) return Object.entries(value).map(([name, each]) => `${name}=${short(each)}`).join(" ") || "–";
  return String(value);
}

// Nested objects become lines of their own: members.alive.
function flatten(value: Row, before = ""): [string, unknown][] {
  return Object.entries(value).flatMap(([name, each]) =>
    is_object(each) && Object.keys(each).length ? flatten(each, `${before}${name}.`) : ([[before + name, each]] as [string, unknown][]),
  );
}

function rows_of(answer: unknown): Row[] | null {
  const list = Array.isArray(answer) ? answer : is_object(answer) ? Object.values(answer).find(Array.isArray) : undefined;
  if (!list) return null;
  return list.map((each) => (is_object(each) ? each : { value: each }));
}

function Table({ rows }: { rows: Row[] }) {
  if (!rows.length) return <p class="dim">None.</p>;
  const columns = [...new Set(rows.slice(0, kRows).flatMap((row) => Object.keys(row)))].slice(0, kColumns);
  return (
    <>
      <table>
        <thead>
          <tr>
            {columns.map((name) => (
              <th key={name} scope="col">
                {name.replaceAll("_", " ")}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, kRows).map((row, i) => (
            <tr key={i}>
              {columns.map((name) => (
                <td key={name} class={typeof row[name] === "number" ? "num" : ""} title={typeof row[name] === "string" ? row[name] : undefined}>
                  {short(row[name])}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > kRows && <p class="dim">and {rows.length - kRows} more</p>}
    </>
  );
}

// Newest last, and it stays there while it is scrolled there: who reads further up is left alone.
function Log({ lines }: { lines: LogLine[] }) {
  const list = useRef<HTMLUListElement>(null);
  const at_end = useRef(true);
  const scrolled = () => {
    const box = list.current!;
    at_end.current = box.scrollTop + box.clientHeight >= box.scrollHeight - kNearPx;
  };
  useLayoutEffect(() => {
    const box = list.current!;
    if (at_end.current) box.scrollTop = box.scrollHeight;
  }, [lines]);
  return (
    <ul ref={list} class="log scroll" data-testid="node-log" tabIndex={0} aria-label="Log, newest last" onScroll={scrolled}>
      {lines.map((line, n) => (
        <LogItem key={n} line={line} />
      ))}
      {!lines.length && <li class="dim">Nothing.</li>}
    </ul>
  );
}

async function read_log(i: number): Promise<LogLine[]> {
  return ((await read_lines(`/v1/testnet/nodes/${i}/log`)) as LogLine[]).slice(-kLines);
}

function Answer({ answer }: { answer: unknown }) {
  const rows = rows_of(answer);
  // A status may hold lists too, but is no list.
  if (rows && (Array.isArray(answer) || (is_object(answer) && Object.keys(answer).length <= 3))) return <Table rows={rows} />;
  if (!is_object(answer)) return <p>{short(answer)}</p>;
  return (
    <dl class="pairs">
      {flatten(answer).map(([name, value]) => (
        <div key={name}>
          <dt>{name.replaceAll("_", " ")}</dt>
          <dd class="mono" title={typeof value === "string" ? value : undefined}>
            {short(value)}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Asked({ i, tab }: { i: number; tab: Tab }) {
  const [answer, set_answer] = useState<{ i: number; tab: Tab; value?: unknown; trouble?: string } | null>(null);
  useEffect(
    () =>
      poll(
        kEvery,
        () => (tab === "log" ? read_log(i) : read(`/v1/testnet/nodes/${i}/${tab === "state" ? "namespaces" : tab}`)),
        (value) => set_answer({ i, tab, value }),
        (error) => set_answer({ i, tab, trouble: error_text(error) }),
      ),
    [i, tab],
  );
  if (!answer || answer.i !== i || answer.tab !== tab) return <p class="dim">Asking the node …</p>;
  if (answer.trouble) return <p class="bad-text">{answer.trouble}</p>;
  return tab === "log" ? <Log key={i} lines={answer.value as LogLine[]} /> : <Answer answer={answer.value} />;
}

const kDo = [
  ["kill", "Kill", "running paused"],
  ["stop", "Stop", "running"],
  ["pause", "Pause", "running"],
  ["resume", "Resume", "paused"],
  ["restart", "Restart", "dead running"],
] as const;

export function Details() {
  use(store, ui);
  const [tab, set_tab] = useState<Tab>("status");
  const node = store.node(ui.selected);
  if (!node) {
    return (
      <section class="panel details" aria-label="Node">
        <h2>Node</h2>
        <p class="dim">Choose a node on the ring, with a click or the arrow keys.</p>
      </section>
    );
  }
  return (
    <section class="panel details" aria-label={`Node ${node.name}`}>
      <h2>
        <i class={`dot ${look_class(look_of(node))}${node.cut_off ? " diamond" : ""}`} /> {node.name} <span class="dim">{look_text(node)}</span>
        <button class="quiet end" aria-label="Close" onClick={() => ui.select(null)}>
          ✕
        </button>
      </h2>
      <p class="mono id dim">{node.id || "no id yet"}</p>
      <dl class="facts">
        <Fact name="pid" value={node.pid ?? "–"} />
        <Fact name="starts" value={node.starts} />
        <Fact name="sees" value={node.run === "dead" ? "–" : node.members} />
        <Fact name="listens" value={node.listen.join(", ") || "–"} />
        <Fact name="seen alive" value={node.seen.alive} />
        <Fact name="suspect" value={node.seen.suspect} />
        <Fact name="failed" value={node.seen.failed} />
        <Fact name="left" value={node.seen.left} />
      </dl>
      {store.state?.replay ? <p class="dim">Of a recording: more it does not tell.</p> : <Live node={node} tab={tab} set_tab={set_tab} />}
    </section>
  );
}

// What can be done to a node that runs, and what it says itself.
function Live({ node, tab, set_tab }: { node: Node; tab: Tab; set_tab: (tab: Tab) => void }) {
  const [said, set_said] = useState<{ text: string; bad: boolean }>({ text: "", bad: false });
  useEffect(() => set_said({ text: "", bad: false }), [node.i]);
  const run = async (what: string) => {
    set_said({ text: `${what} ${node.name} …`, bad: false });
    try {
      const answer = (await act({ do: what, which: String(node.i) })) as { done?: unknown };
      set_said({ text: `${what} ${node.name}: ${answer_text(answer.done ?? answer)}`, bad: false });
    } catch (error) {
      set_said({ text: `${what} ${node.name}: ${error_text(error)}`, bad: true });
    }
  };
  return (
    <>
      <div class="row">
        {kDo.map(([what, label, when]) => (
          <button key={what} disabled={!token || !when.split(" ").includes(node.run)} onClick={() => run(what)}>
            {label}
          </button>
        ))}
      </div>
      <p role="status" class={`said ${said.bad ? "bad-text" : ""}`}>
        {said.text}
      </p>
      <div class="tabs" role="tablist" aria-label="What the node says">
        {kTabs.map((each) => (
          <button key={each} role="tab" data-testid={`tab-${each}`} aria-selected={each === tab} onClick={() => set_tab(each)}>
            {each}
          </button>
        ))}
      </div>
      <div class="asked" role="tabpanel" data-testid="node-answer" aria-label={tab} tabIndex={0}>
        {node.run === "running" ? <Asked i={node.i} tab={tab} /> : <p class="dim">The node is {node.run}: it answers nothing.</p>}
      </div>
    </>
  );
}

function look_class(look: ReturnType<typeof look_of>): string {
  return { running: "ok", starting: "starting hollow", suspect: "warn", failed: "bad", paused: "paused", dead: "dead hollow" }[look];
}

function Fact({ name, value }: { name: string; value: string | number }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class="num">{value}</dd>
    </div>
  );
}
