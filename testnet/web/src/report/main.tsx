// The report of a run, or of several side by side: one file that needs nothing else. The runs stand in the page as JSON.
import { render } from "preact";
import { read_runs, Run, told, Told } from "./data";
import { figures } from "./figures";
import { stretch, Theme, theme } from "./look";
import { Courses } from "./courses";
import { Spreads } from "./spread";
import { Checks, Facts, Name, PhaseTable, RunTable, Troubles } from "./tables";
import { Timeline } from "./timeline";
import { use } from "../shared";

declare global {
  interface Window {
    weftReport: { figures: () => Record<string, number> };
  }
}

function world_of(run: Run): string {
  return run.world === "simulator" ? "in the simulator" : run.world === "processes" ? "of real processes" : "";
}

function Verdict({ run }: { run: Run }) {
  const { report } = run;
  const checks = report.checks ?? [];
  const failed = checks.filter((check) => !check.passed).length;
  const violations = report.violations?.length ?? 0;
  const why = [
    checks.length === 0 ? "no checks" : failed ? `${failed} of ${checks.length} checks failed` : `all ${checks.length} checks passed`,
    report.violations === undefined ? "" : violations ? `${violations} violations` : "no violations",
    report.interrupted_ms === undefined ? "" : `interrupted at ${report.interrupted_ms / 1000} s`,
  ];
  return (
    <div class={`verdict ${report.passed ? "passed" : "failed"}`}>
      <strong>{report.passed ? "Passed" : "Failed"}</strong>
      <span>{why.filter(Boolean).join(" · ")}</span>
    </div>
  );
}

function RunHead({ each, several }: { each: Told; several: boolean }) {
  return (
    <div class="run-head">
      {several && (
        <h2>
          <Name told={each} /> <span class="dim">{world_of(each.run)}</span>
        </h2>
      )}
      <Verdict run={each.run} />
      <Facts told={each} />
      {each.run.command && <pre class="command mono">{each.run.command}</pre>}
    </div>
  );
}

function ThemeChoice() {
  use(theme);
  return (
    <label class="end dim no-print">
      <span class="sr">Theme</span>
      <select value={theme.theme} onChange={(e) => theme.set(e.currentTarget.value as Theme)}>
        <option value="auto">auto</option>
        <option value="dark">dark</option>
        <option value="light">light</option>
      </select>
    </label>
  );
}

function Report({ all }: { all: Told[] }) {
  const several = all.length > 1;
  const first = all[0]!;
  return (
    <div class="report">
      <header>
        <div class="brand">
          <h1>{several ? `${all.length} runs` : first.run.report.scenario}</h1>
          <p class="dim">weft: {several ? "runs side by side" : `report of a run ${world_of(first.run)}`}</p>
        </div>
        <ThemeChoice />
      </header>
      <section class={`panel heads ${several ? "several" : ""}`} aria-label="Verdict">
        {all.map((each) => (
          <RunHead key={each.index} each={each} several={several} />
        ))}
      </section>
      <section class="panel story" aria-label="Story">
        <h2>What happened</h2>
        {all.map((each) => (
          <Timeline key={each.index} told={each} several={several} />
        ))}
        <Courses all={all} />
      </section>
      <Spreads all={all} />
      {several ? <RunTable all={all} /> : <PhaseTable told={first} />}
      <Checks all={all} />
      <Troubles all={all} />
      {all.map(
        (each) =>
          each.run.scenario_text && (
            <details key={each.index} class="panel">
              <summary>The scenario{several && ` of ${each.name}`}</summary>
              <pre class="mono scenario">{each.run.scenario_text}</pre>
            </details>
          ),
      )}
    </div>
  );
}

const app = document.getElementById("app")!;
try {
  const runs = read_runs();
  const all = runs.map((run, i) => told(run, i, runs.length > 1));
  stretch.whole(Math.max(...all.map((each) => each.end)));
  document.title = `${runs.map((run) => run.report.scenario).join(", ")}: weft report`;
  window.weftReport = { figures: () => figures(runs) };
  render(<Report all={all} />, app);
} catch (error) {
  app.textContent = `This page cannot show its runs: ${error instanceof Error ? error.message : String(error)}`;
}
