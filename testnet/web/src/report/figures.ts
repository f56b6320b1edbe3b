// The figures of a report that its tables show: where each stands in report.json, how it is written, and which way is better.
import { Phase, Report, Run } from "./data";
import { ms, number, percent, seconds, short } from "./look";

export interface Figure {
  group: string;
  label: string;
  // Within a phase, or within the total.
  path: string;
  show: (value: number) => string;
  // 1: more is better, -1: less is, 0: neither.
  better: -1 | 0 | 1;
}

const bytes = (x: number) => `${short(x)}\u2009B`;
const kib = (x: number) => `${number(x)}\u2009KiB`;

function operations(group: string, part: string): Figure[] {
  const figure = (label: string, path: string, show: Figure["show"], better: Figure["better"]): Figure => ({ group, label, path: `${part}.${path}`, show, better });
  return [
    figure("operations", "ops", number, 0),
    figure("succeeded", "ok_share", percent, 1),
    figure("wrong", "wrong", number, -1),
    figure("stale", "stale", number, -1),
    figure("owed, unread", "owed_unread", number, -1),
    figure("latency p50", "latency_ms.p50", ms, -1),
    figure("latency p95", "latency_ms.p95", ms, -1),
    figure("latency p99", "latency_ms.p99", ms, -1),
    figure("latency max", "latency_ms.max", ms, -1),
    figure("hops p50", "hops.p50", number, -1),
    figure("hops p99", "hops.p99", number, -1),
    figure("queries p50", "queries.p50", number, -1),
    figure("queries p99", "queries.p99", number, -1),
  ];
}

function members(label: string, path: string, show: Figure["show"], better: Figure["better"]): Figure {
  return { group: "Members", label, path: `members.${path}`, show, better };
}

export const kFigures: Figure[] = [
  { group: "Time", label: "from", path: "start_s", show: seconds, better: 0 },
  { group: "Time", label: "to", path: "end_s", show: seconds, better: 0 },
  { group: "Members", label: "alive at the end", path: "nodes_alive", show: number, better: 0 },
  members("converged", "converged", (x) => (x ? "yes" : "no"), 1),
  members("time to converge", "converge_s", seconds, -1),
  members("false failures", "false_failures", number, -1),
  members("deaths", "detect_first_s.n", number, 0),
  members("deaths unseen", "deaths_unseen", number, -1),
  members("first sees p50", "detect_first_s.p50", seconds, -1),
  members("first sees max", "detect_first_s.max", seconds, -1),
  members("all see p50", "detect_all_s.p50", seconds, -1),
  members("all see p99", "detect_all_s.p99", seconds, -1),
  members("all see max", "detect_all_s.max", seconds, -1),
  ...operations("Puts", "puts"),
  ...operations("Gets", "gets"),
  ...operations("Lookups", "lookups"),
  { group: "State", label: "writes", path: "state.writes", show: number, better: 0 },
  { group: "State", label: "succeeded", path: "state.ok_share", show: percent, better: 1 },
  { group: "State", label: "converged", path: "state.converged", show: (x) => (x ? "yes" : "no"), better: 1 },
  { group: "State", label: "time to converge", path: "state.converge_s", show: seconds, better: -1 },
  { group: "State", label: "latency p50", path: "state.latency_ms.p50", show: ms, better: -1 },
  { group: "State", label: "latency p99", path: "state.latency_ms.p99", show: ms, better: -1 },
  { group: "State", label: "everywhere p50", path: "state.everywhere_ms.p50", show: ms, better: -1 },
  { group: "State", label: "everywhere p99", path: "state.everywhere_ms.p99", show: ms, better: -1 },
  { group: "State", label: "copies per delivery", path: "state.copies_per_delivery", show: number, better: -1 },
  { group: "Cost", label: "bytes of a node / s", path: "traffic.bytes_per_node_s", show: bytes, better: -1 },
  { group: "Cost", label: "packets of a node / s", path: "traffic.packets_per_node_s", show: number, better: -1 },
  { group: "Cost", label: "CPU of a node", path: "cpu_share", show: percent, better: -1 },
  { group: "Cost", label: "memory of a node", path: "memory.pss_mean_kib", show: kib, better: -1 },
];

const kParts = [
  ["Puts", "puts"],
  ["Gets", "gets"],
  ["Lookups", "lookups"],
  ["State", "state"],
] as const;

// A figure as report.json has it; true and false are 1 and 0.
export function figure_of(phase: Phase | undefined, path: string): number | null {
  let at: unknown = phase;
  for (const part of path.split(".")) {
    if (typeof at !== "object" || at === null) return null;
    at = (at as Record<string, unknown>)[part];
  }
  if (typeof at === "boolean") return at ? 1 : 0;
  return typeof at === "number" && Number.isFinite(at) ? at : null;
}

// The figures that say something: not those that are nothing, or nought besides an `ops` of nought, in all the phases.
export function telling(phases: (Phase | undefined)[]): Figure[] {
  const some = (path: string) => phases.some((phase) => (figure_of(phase, path) ?? 0) !== 0);
  const errors = kParts.flatMap(([group, part]): Figure[] => {
    const names = new Set(phases.flatMap((phase) => Object.keys((phase?.[part] as { errors?: object } | undefined)?.errors ?? {})));
    return [...names].map((name) => ({ group, label: `failed: ${name}`, path: `${part}.errors.${name}`, show: number, better: -1 }));
  });
  return [...kFigures, ...errors].filter((figure) => {
    const { path } = figure;
    const [part] = path.split(".");
    if (part === "puts" || part === "gets" || part === "lookups") {
      if (!some(`${part}.ops`)) return false;
      return /\.(wrong|stale|owed_unread)$|\.errors\./.test(path) ? some(path) : true;
    }
    if (part === "state") return (path === "state.converged" || some("state.writes")) && phases.some((phase) => figure_of(phase, path) !== null);
    if (path === "cpu_share" || part === "memory") return some(path);
    if (/detect_|deaths_unseen/.test(path)) return some("members.detect_first_s.n") || some("members.deaths_unseen");
    return phases.some((phase) => figure_of(phase, path) !== null);
  });
}

function add(to: Record<string, number>, prefix: string, phase: Phase, figures: Figure[]): void {
  for (const figure of figures) {
    const value = figure_of(phase, figure.path);
    if (value !== null) to[prefix + figure.path] = value;
  }
}

function of_report(to: Record<string, number>, prefix: string, report: Report, figures: Figure[]): void {
  to[`${prefix}nodes`] = report.nodes;
  add(to, `${prefix}total.`, report.total, figures);
  for (const phase of report.phases) add(to, `${prefix}phases.${phase.name}.`, phase, figures);
  report.checks?.forEach((check, i) => {
    if (typeof check.got === "number") to[`${prefix}checks.${i}.got`] = check.got;
    else if (typeof check.got === "boolean") to[`${prefix}checks.${i}.got`] = check.got ? 1 : 0;
  });
}

// Every figure shown, by its path in report.json. Those of the second and further runs begin with "runs.1." and so on.
export function figures(runs: Run[]): Record<string, number> {
  const out: Record<string, number> = {};
  const shown = telling(runs.flatMap(({ report }) => [report.total, ...report.phases]));
  runs.forEach(({ report }, i) => of_report(out, i === 0 ? "" : `runs.${i}.`, report, shown));
  return out;
}
