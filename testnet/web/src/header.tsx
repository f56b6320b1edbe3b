// The head of the page: how the testnet is, in figures.
import { clock, Summary } from "./data";
import { Figure, Spoken, ThemeButton } from "./headparts";
import { store, stream, ui, use } from "./ui";

function spoken(s: Summary): string {
  const views = s.converged ? "all see all" : `members seen ${s.members_min} to ${s.members_max}`;
  return `${s.running} running, ${s.paused} paused, ${s.dead} dead, ${views}`;
}

const kConnection = {
  connecting: ["connecting …", "warn"],
  live: ["live", "ok"],
  stale: ["no news for some seconds", "warn"],
  lost: ["connection lost, trying again", "bad"],
} as const;

function partition_text(s: Summary): string {
  return s.cut_off ? `${s.cut_off} cut off${s.one_way ? ", one way" : ""}` : "whole";
}

export function Header() {
  use(store, stream, ui);
  const state = store.state;
  const s = state?.summary;
  const [text, colour] = kConnection[stream.connection];
  return (
    <header>
      <div class="brand">
        <h1>
          weft <span class="dim">{state?.replay ? "replay" : "testnet"}</span>
        </h1>
        <p class="dim" title={state?.dir}>
          {state ? `${state.network || "default network"} · ${state.version} · ${clock(state.t_ms)}` : "…"}
        </p>
      </div>
      {s && (
        <dl class="figures">
          <Figure name="running" value={s.running} colour="ok" testid="count-running" />
          <Figure name="paused" value={s.paused} colour={s.paused ? "paused" : "dim"} testid="count-paused" />
          <Figure name="dead" value={s.dead} colour={s.dead ? "bad" : "dim"} testid="count-dead" />
          <div class="figure members">
            <dt>members: min, median, max</dt>
            <dd class="num">
              <span data-testid="members-min">{s.members_min}</span>
              <span class="dim"> / </span>
              <span data-testid="members-median">{s.members_median}</span>
              <span class="dim"> / </span>
              <span data-testid="members-max">{s.members_max}</span>
            </dd>
          </div>
          <div class="figure">
            <dt>views</dt>
            <dd class={`word ${s.converged ? "ok-text" : "warn-text"}`} data-testid="converged" data-converged={String(s.converged)}>
              {s.converged ? "all see all" : "differ"}
            </dd>
          </div>
          <Figure name="false failures" value={s.false_failures} colour={s.false_failures ? "bad" : "dim"} testid="false-failures" />
          {state.replay && <Figure name={s.ended ? "the recording has ended" : "phase"} value={s.ended ? clock(state.length_ms ?? 0) : s.phase || "–"} testid="replay" />}
          {s.ended_by_themselves > 0 && <Figure name="ended by themselves" value={s.ended_by_themselves} colour="bad" />}
          <div class="figure">
            <dt>network</dt>
            <dd class={`word ${s.cut_off ? "warn-text" : ""}`} data-testid="partition">
              {partition_text(s)}
            </dd>
          </div>
          <div class="figure">
            <dt>link</dt>
            <dd class="word" title={s.link} data-testid="link">
              {s.link || "as it is"}
            </dd>
          </div>
        </dl>
      )}
      <div class="head-end">
        <p role="status" data-testid="connection">
          <i class={`dot ${colour}`} /> {text}
        </p>
        <ThemeButton ui={ui} />
      </div>
      <Spoken words={() => (store.state ? spoken(store.state.summary) : null)} />
    </header>
  );
}
