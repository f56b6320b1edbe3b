// The head of the page: which node it is and how it is, in figures.
import { useEffect } from "preact/hooks";
import { Figure, Spoken, ThemeButton } from "../headparts";
import { use } from "../shared";
import { bytes_text, Status } from "./data";
import { store, ui } from "./ui";

function spoken(s: Status): string {
  const { alive, suspect, failed, left } = s.members;
  return `${alive} alive, ${suspect} suspected, ${failed} failed, ${left} left; ${s.health.length ? s.health.join("; ") : "the node is well"}`;
}

const kConnection = {
  connecting: ["connecting …", "warn"],
  live: ["live", "ok"],
  stale: ["no answer for some seconds", "warn"],
  lost: ["lost, trying again", "bad"],
} as const;

export function Header() {
  use(store, ui);
  const s = store.status;
  const [text, colour] = kConnection[store.connection];
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
        <ThemeButton ui={ui} />
      </div>
      <Spoken words={() => (store.status ? spoken(store.status) : null)} />
    </header>
  );
}
