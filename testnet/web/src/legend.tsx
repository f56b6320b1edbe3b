// What the colours of nodes mean, and what else a view shows.
import { ComponentChildren } from "preact";

const kLegend = [
  ["ok", "running"],
  ["starting hollow", "starting"],
  ["warn", "suspected"],
  ["bad", "failed"],
  ["paused", "paused"],
  ["dead hollow", "dead"],
  ["ok diamond", "cut off"],
] as const;

export function Legend({ rows, children }: { rows: readonly (readonly [string, string])[]; children?: ComponentChildren }) {
  return (
    <ul class="legend" aria-label="Legend">
      {rows.map(([look, text]) => (
        <li key={text}>
          <i class={`dot ${look}`} />
          {text}
        </li>
      ))}
      {children}
    </ul>
  );
}

export function NodeLegend({ children }: { children?: ComponentChildren }) {
  return <Legend rows={kLegend}>{children}</Legend>;
}
