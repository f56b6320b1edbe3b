// Lines of a node's log, as both pages show them.
export const kLevels = ["trace", "debug", "info", "warn", "error"] as const;
export type Level = (typeof kLevels)[number];

export interface LogLine {
  t_ms: number;
  level: Level;
  message: string;
}

const kLevelText: Record<Level, string> = { trace: "dim", debug: "dim", info: "accent-text", warn: "warn-text", error: "bad-text" };

// The time of day here, as the nodes run on this machine.
export function time_text(t_ms: number): string {
  const at = new Date(t_ms);
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}

export function LogItem({ line }: { line: LogLine }) {
  return (
    <li>
      <time class="dim num">{time_text(line.t_ms)}</time>
      <span class={`level ${kLevelText[line.level] ?? ""}`}>{line.level}</span>
      <span>{line.message}</span>
    </li>
  );
}
