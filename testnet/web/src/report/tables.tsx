// The tables of a report: figures by phase or by run, checks, and what went wrong.
import { ComponentChildren, Fragment } from "preact";
import { Check, details, Event, Phase, Told } from "./data";
import { Figure, figure_of, telling } from "./figures";
import { moment, number, percent } from "./look";

const kListed = 20;

function groups_of(figures: Figure[]): [string, Figure[]][] {
  const out = new Map<string, Figure[]>();
  for (const figure of figures) out.set(figure.group, [...(out.get(figure.group) ?? []), figure]);
  return [...out];
}

function Grouped({ figures, columns, row }: { figures: Figure[]; columns: number; row: (figure: Figure) => ComponentChildren }) {
  return (
    <tbody>
      {groups_of(figures).map(([group, inside]) => (
        <Fragment key={group}>
          <tr class="group">
            <th scope="rowgroup">{group}</th>
            <td colSpan={columns} />
          </tr>
          {inside.map((figure) => (
            <tr key={figure.path}>
              <th scope="row">{figure.label}</th>
              {row(figure)}
            </tr>
          ))}
        </Fragment>
      ))}
    </tbody>
  );
}

function Value({ figure, phase, strong = false }: { figure: Figure; phase: Phase | undefined; strong?: boolean }) {
  const value = figure_of(phase, figure.path);
  const bad = value !== null && /wrong|stale|unread|\.errors\.|false_failures|unseen/.test(figure.path) && value > 0;
  const lost = value !== null && value < 1 && /ok_share|\.converged$/.test(figure.path);
  const nothing = value === null || (value === 0 && /\.ops$|\.n$|writes$/.test(figure.path));
  return <td class={`num ${strong ? "strong" : ""} ${bad ? "bad-text" : lost ? "warn-text" : nothing ? "dim" : ""}`}>{value === null ? "–" : figure.show(value)}</td>;
}

export function PhaseTable({ told }: { told: Told }) {
  const { phases, total } = told.run.report;
  return (
    <section class="panel" aria-label="Phases">
      <h2>Phases</h2>
      <div class="scroll">
        <table class="wide">
          <thead>
            <tr>
              <td />
              <th scope="col">total</th>
              {phases.map((phase, i) => (
                <th key={i} scope="col">
                  {phase.name}
                </th>
              ))}
            </tr>
          </thead>
          <Grouped
            figures={telling([total, ...phases])}
            columns={phases.length + 1}
            row={(figure) => (
              <>
                <Value figure={figure} phase={total} strong />
                {phases.map((phase, i) => (
                  <Value key={i} figure={figure} phase={phase} />
                ))}
              </>
            )}
          />
        </table>
      </div>
    </section>
  );
}

// How a figure differs from that of the first run: in percent, or by how much where there is nothing to compare with.
function Difference({ figure, from, to }: { figure: Figure; from: number | null; to: number | null }) {
  if (from === null || to === null) return <td />;
  const more = to - from;
  if (more === 0) return <td class="num dim diff">=</td>;
  const sign = more > 0 ? "+" : "−";
  const share = from === 0 ? null : more / Math.abs(from);
  const size = share === null ? number(Math.abs(more)) : Math.abs(share) >= 10 ? `${number(Math.abs(share) * 100)}\u2009%` : percent_short(Math.abs(share));
  // A little slower is noise; a value that was not found is not.
  const little = share !== null && Math.abs(share) < 0.02 && !/ok_share/.test(figure.path);
  const judged = figure.better === 0 || little ? "dim" : Math.sign(more) === figure.better ? "ok-text" : "bad-text";
  return <td class={`num diff ${judged}`}>{`${sign}${size}`}</td>;
}

function percent_short(share: number): string {
  return share < 0.0005 ? percent(share) : `${(share * 100).toFixed(share < 0.1 ? 1 : 0)}\u2009%`;
}

function Compared({ all, phases }: { all: Told[]; phases: (Phase | undefined)[] }) {
  return (
    <div class="scroll">
      <table class="wide compared">
        <thead>
          <tr>
            <td />
            {all.map((told, i) => (
              <th key={i} scope="col" colSpan={i === 0 ? 1 : 2}>
                <Name told={told} />
              </th>
            ))}
          </tr>
        </thead>
        <Grouped
          figures={telling(phases)}
          columns={all.length * 2 - 1}
          row={(figure) =>
            phases.map((phase, i) => (
              <Fragment key={i}>
                <Value figure={figure} phase={phase} />
                {i > 0 && <Difference figure={figure} from={figure_of(phases[0], figure.path)} to={figure_of(phase, figure.path)} />}
              </Fragment>
            ))
          }
        />
      </table>
    </div>
  );
}

export function RunTable({ all }: { all: Told[] }) {
  const names = [...new Set(all.flatMap((told) => told.run.report.phases.map((phase) => phase.name)))];
  return (
    <section class="panel" aria-label="Figures of the runs">
      <h2>
        Figures <span class="dim">of whole runs, and the difference to the first</span>
      </h2>
      <Compared all={all} phases={all.map((told) => told.run.report.total)} />
      {names.map((name) => (
        <details key={name}>
          <summary>Phase {name}</summary>
          <Compared all={all} phases={all.map((told) => told.run.report.phases.find((phase) => phase.name === name))} />
        </details>
      ))}
    </section>
  );
}

function shown(value: unknown, like: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (typeof like === "boolean" && (value === 1 || value === 0)) return String(value === 1);
  // Not rounded as elsewhere: 0.99998 is not 1.
  return String(typeof value === "number" ? Number(value.toPrecision(9)) : value);
}

function verdict_of(told: Told): { text: string; failed: boolean } {
  const checks = told.run.report.checks ?? [];
  const failed = checks.filter((check) => !check.passed).length;
  return { text: checks.length === 0 ? "none" : failed ? `${failed} of ${checks.length} failed` : `all ${checks.length} passed`, failed: failed > 0 };
}

// One row for each check of any run; in the column of a run that has no such check stands nothing.
export function Checks({ all }: { all: Told[] }) {
  const several = all.length > 1;
  const key_of = (check: Check) => JSON.stringify([check.field, check.is, check.value]);
  const rows = new Map<string, { check: Check; by_run: (Check | undefined)[] }>();
  all.forEach((told, run) => {
    for (const check of told.run.report.checks ?? []) {
      const row = rows.get(key_of(check)) ?? { check, by_run: all.map(() => undefined) };
      row.by_run[run] ??= check;
      rows.set(key_of(check), row);
    }
  });
  return (
    <section class="panel" aria-label="Checks">
      <h2>
        Checks
        {all.map((told) => {
          const verdict = verdict_of(told);
          return (
            <span key={told.index} class={verdict.failed ? "bad-text" : "dim"}>
              {several && `${told.index + 1}: `}
              {verdict.text}
            </span>
          );
        })}
      </h2>
      {rows.size > 0 && (
        <div class="scroll">
          <table class="checks">
            <thead>
              <tr>
                <th scope="col">line</th>
                <th scope="col">field</th>
                <th scope="col">must be</th>
                {all.map((told) => (
                  <th key={told.index} scope="col">
                    {several ? <Name told={told} /> : "was"}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {[...rows].map(([key, { check, by_run }]) => (
                <tr key={key}>
                  <td class="num dim">{check.line ?? ""}</td>
                  <td class="mono">{check.field}</td>
                  <td class="num">
                    {check.is} {shown(check.value, by_run.find((each) => each)?.got)}
                  </td>
                  {by_run.map((each, i) => (
                    <td key={i} class="num">
                      {each && (
                        <>
                          <b class={each.passed ? "ok-text" : "bad-text"}>{each.passed ? "✓" : "✗"}</b>{" "}
                          <span class={each.passed ? "" : "bad-text strong"}>{shown(each.got, each.got)}</span>{" "}
                          <span class={each.passed ? "dim" : "bad-text"}>{each.passed ? "passed" : "failed"}</span>
                        </>
                      )}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

export function Name({ told }: { told: Told }) {
  return (
    <>
      <i class="stroke" style={{ color: `var(--run-${told.index % 6})` }} />
      {told.name}
    </>
  );
}

function Bounded({ title, items, all }: { title: string; items: { t: number; text: string }[]; all: number }) {
  if (all === 0) return null;
  return (
    <>
      <h3 class="list-title">
        {title} <span class="dim num">{all.toLocaleString("en-US")}</span>
      </h3>
      <ul class="bounded">
        {items.slice(0, kListed).map((item, i) => (
          <li key={i}>
            <span class="num dim">{item.t.toFixed(3).replace(/\.?0+$/, "")}&#8239;s</span>
            <span>{item.text}</span>
          </li>
        ))}
      </ul>
      {all > kListed && <p class="dim">and {(all - Math.min(all, kListed)).toLocaleString("en-US")} more</p>}
    </>
  );
}

// Failed operations are told by op_failed, which names the key; a log without it has them among the operations.
function failed_operations(events: Event[]): Event[] {
  const named = events.filter((e) => e.event === "op_failed");
  return named.length ? named : events.filter((e) => e.event === "op" && e.ok === false);
}

function TroublesOf({ told }: { told: Told }) {
  const { violations } = told.run.report;
  const of = (name: string) => told.run.events.filter((e) => e.event === name);
  const lists: [string, Event[]][] = [
    ["Failed operations", failed_operations(told.run.events)],
    ["False failures", of("false_failure")],
    ["Stale reads", of("stale")],
    ["Processes lost", of("lost")],
  ];
  if (!violations?.length && lists.every(([, events]) => events.length === 0)) return <p class="dim">Nothing that the log tells of.</p>;
  return (
    <>
      <Bounded
        title="Violations"
        all={violations?.length ?? 0}
        items={(violations ?? []).slice(0, kListed).map((v) => ({ t: v.t_ms / 1000, text: `${v.checker}: ${v.detail}` }))}
      />
      {lists.map(([title, events]) => (
        <Bounded key={title} title={title} all={events.length} items={events.slice(0, kListed).map((e) => ({ t: e.t, text: details(e) }))} />
      ))}
    </>
  );
}

export function Troubles({ all }: { all: Told[] }) {
  return (
    <section class="panel" aria-label="What went wrong">
      <h2>What went wrong</h2>
      {all.map((told) => (
        <div key={told.index} class="troubles">
          {all.length > 1 && (
            <h3>
              <Name told={told} />
            </h3>
          )}
          <TroublesOf told={told} />
        </div>
      ))}
    </section>
  );
}

export function Facts({ told }: { told: Told }) {
  const { run, end } = told;
  const { report } = run;
  const made = run.made ? new Date(run.made) : null;
  const facts: [string, string, string?][] = [
    ["nodes", number(report.nodes)],
    ["seed", String(report.seed)],
    ["duration", moment(report.total.end_s, Math.min(end, 180))],
    ["phases", String(report.phases.length)],
    ["version", report.version],
    ["made", made && !Number.isNaN(made.getTime()) ? `${made.toISOString().slice(0, 16).replace("T", " ")} UTC` : "not said"],
  ];
  if (run.trace_hash) facts.push(["trace hash", run.trace_hash, "mono"]);
  return (
    <dl class="figures">
      {facts.map(([name, value, kind]) => (
        <div key={name} class="figure">
          <dt>{name}</dt>
          <dd class={`num word ${kind ?? ""}`}>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
