// What the colours of nodes mean.
const kLegend = [
  ["ok", "running"],
  ["starting hollow", "starting"],
  ["warn", "suspected"],
  ["bad", "failed"],
  ["paused", "paused"],
  ["dead hollow", "dead"],
  ["ok diamond", "cut off"],
] as const;

export function NodeLegend() {
  return (
    <ul class="legend" aria-label="Legend">
      {kLegend.map(([look, text]) => (
        <li key={text}>
          <i class={`dot ${look}`} />
          {text}
        </li>
      ))}
    </ul>
  );
}
