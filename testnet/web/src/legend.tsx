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

export function NodeLegend({ children }: { children?: ComponentChildren }) {
  return (
    <ul class="legend" aria-label="Legend">
      {kLegend.map(([look, text]) => (
        <li key={text}>
          <i class={`dot ${look}`} />
          {text}
        </li>
      ))}
      {children}
    </ul>
  );
}
