// A lookup as a waterfall: who was asked when, named by whom, and for how long the answer took. kRows steps at most.
import { Step } from "./api";
import { store, ui, use } from "./ui";

const kRows = 60;

function name_of(id: string | null | undefined): string {
  if (!id) return "own table";
  const i = store.index_of(id);
  return i === null ? `${id.slice(0, 8)}…` : store.name(i);
}

function Line({ step, all }: { step: Step; all: number }) {
  const begin = step.at_ms ?? 0;
  const lost = step.rtt_ms === null || step.rtt_ms === undefined;
  const long = lost ? all - begin : (step.rtt_ms ?? 0);
  const i = store.index_of(step.id);
  return (
    <tr>
      <td class="num dim">{step.hop ?? ""}</td>
      <td>{i === null ? name_of(step.id) : <button class="link" onClick={() => ui.select(i)}>{store.name(i)}</button>}</td>
      <td class="dim">{name_of(step.named_by)}</td>
      <td class="bar-cell">
        <span class={`bar ${lost ? "lost" : ""}`} style={{ left: `${(100 * begin) / all}%`, width: `max(2px, ${(100 * long) / all}%)` }} />
      </td>
      <td class="num">{lost ? <span class="bad-text">none</span> : `${(step.rtt_ms ?? 0).toFixed(1)}`}</td>
    </tr>
  );
}

export function Waterfall() {
  use(ui);
  const lookup = ui.lookup;
  if (!lookup) return null;
  const { answer } = lookup;
  const steps = [...(answer.steps ?? [])].sort((a, b) => (a.at_ms ?? 0) - (b.at_ms ?? 0));
  const all = Math.max(1e-3, answer.elapsed_ms ?? 0, ...steps.map((step) => (step.at_ms ?? 0) + (step.rtt_ms ?? 0)));
  return (
    <section class="panel waterfall" aria-label="Lookup" data-testid="lookup">
      <h2>
        Lookup from {store.name(lookup.from)}
        <button class="quiet end" onClick={() => ui.replay()}>
          Replay
        </button>
        <button class="quiet" aria-label="Close" onClick={() => ui.close_lookup()}>
          ✕
        </button>
      </h2>
      <p class="dim cut" title={lookup.key}>
        {answer.queries ?? steps.length} asked, {answer.hops ?? "?"} hops, {(answer.elapsed_ms ?? all).toFixed(1)} ms: {lookup.key}
      </p>
      <div class="scroll" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">hop</th>
              <th scope="col">asked</th>
              <th scope="col">named by</th>
              <th scope="col" class="bar-cell">
                time
              </th>
              <th scope="col">ms</th>
            </tr>
          </thead>
          <tbody>
            {steps.slice(0, kRows).map((step, i) => (
              <Line key={i} step={step} all={all} />
            ))}
          </tbody>
        </table>
        {steps.length > kRows && <p class="dim">and {steps.length - kRows} more</p>}
      </div>
    </section>
  );
}
