// The head of the page: which node it is and how it is, in figures. What changes much is told to screen readers once in kSpeak at most.
import { useEffect, useState } from "preact/hooks";
import { Theme, use } from "../shared";
import { bytes_text, Status } from "./data";
import { store, ui } from "./ui";

const kSpeak = 5000;

function spoken(s: Status): string {
  const { alive, suspect, failed, left } = s.members;
  return `${alive} alive, ${suspect} suspected, ${failed} failed, ${left} left; ${s.health.length ? s.health.join("; ") : "the node is well"}`;
}

function Spoken() {
  const [text, set_text] = useState("");
  useEffect(() => {
    const timer = setInterval(() => store.status && set_text(spoken(store.status)), kSpeak);
    return () => clearInterval(timer);
  }, []);
  return (
    <p class="sr" aria-live="polite">
      {text}
    </p>
  );
}

function Figure({ name, value, colour, testid }: { name: string; value: number | string; colour?: string; testid: string }) {
  return (
    <div class="figure">
      <dt>{name}</dt>
      <dd class="num" data-testid={testid} style={colour ? { color: `var(--${colour})` } : undefined}>
        {value}
      </dd>
    </div>
  );
}

const kConnection = {
  connecting: ["connecting …", "warn"],
  live: ["live", "ok"],
  stale: ["no answer for some seconds", "warn"],
  lost: ["lost, trying again", "bad"],
} as const;
const kThemes: Theme[] = ["auto", "dark", "light"];

export function Header() {
  use(store, ui);
  const s = store.status;
  const [text, colour] = kConnection[store.connection];
  const next = kThemes[(kThemes.indexOf(ui.theme) + 1) % kThemes.length]!;
  const name = s ? (s.name ?? s.id.slice(0, 8)) : "…";
  useEffect(() => {
    document.title = s ? `${name}: weft node` : "weft node";
  }, [name]);
  return (
    <header>
      <div class="brand">
        <h1>
          weft <span class="dim">node</span> <span data-testid="name">{name}</span>
        </h1>
        <p class="dim cut">{s ? `${s.private ? "private network" : "network"} ${s.network} · ${s.version}` : "…"}</p>
      </div>
      {s && (
        <dl class="figures">
          <Figure name="alive" value={s.members.alive} colour="ok" testid="count-alive" />
          <Figure name="suspected" value={s.members.suspect} colour={s.members.suspect ? "warn" : "dim"} testid="count-suspect" />
          <Figure name="failed" value={s.members.failed} colour={s.members.failed ? "bad" : "dim"} testid="count-failed" />
          <Figure name="left" value={s.members.left} colour="dim" testid="count-left" />
          <Figure name="contacts" value={s.routing.contacts} testid="count-contacts" />
          <Figure name="values held" value={s.store.values} testid="count-values" />
          <Figure name="in bytes" value={bytes_text(s.store.bytes)} testid="count-bytes" />
          <Figure name="state entries" value={s.state.entries} testid="count-entries" />
          <div class="figure">
            <dt>health</dt>
            <dd class={`word ${s.health.length ? "warn-text" : "ok-text"}`} data-testid="health" title={s.health.join("\n")}>
              {s.health[0] ?? "well"}
            </dd>
          </div>
        </dl>
      )}
      <div class="head-end">
        <p role="status" data-testid="connection" title={store.trouble}>
          <i class={`dot ${colour}`} /> {text}
        </p>
        <button class="quiet" aria-label={`Theme: ${ui.theme}. Change it`} onClick={() => ui.set_theme(next)}>
          {{ auto: "◐", dark: "●", light: "○" }[ui.theme]} {ui.theme}
        </button>
      </div>
      <Spoken />
    </header>
  );
}
