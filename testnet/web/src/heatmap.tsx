// Who sees whom: a row for each observer, a column for each subject, one pixel a pair, scaled up.
//
// Asked for once a second, and only while it is shown and the page is in front.
import { useEffect, useRef, useState } from "preact/hooks";
import { error_text, Sights, sights } from "./api";
import { poll } from "./poll";
import { palette, store, ui } from "./ui";

const kEvery = 1000;
const kColours = { a: "heat-alive", s: "warn", f: "bad", l: "left", ".": "heat-unknown", "-": "heat-none" } as const;
const kWords: Record<string, string> = { a: "alive", s: "suspect", f: "failed", l: "left", ".": "unknown", "-": "not running" };

function rgb(text: string): [number, number, number] {
  const [r = 0, g = 0, b = 0] = (text.match(/[\d.]+/g) ?? []).map(Number);
  return [r, g, b];
}

function draw(canvas: HTMLCanvasElement, sights: Sights): void {
  const n = sights.n;
  const names = palette("heat-alive", "warn", "bad", "left", "heat-unknown", "heat-none");
  const colours = new Map(Object.entries(kColours).map(([letter, name]) => [letter, rgb(names[name])]));
  const other = rgb(names["heat-unknown"]);
  const image = new ImageData(Math.max(1, n), Math.max(1, n));
  for (let row = 0; row < n; row++) {
    const text = sights.rows[row] ?? "";
    for (let column = 0; column < n; column++) {
      const [r, g, b] = colours.get(text[column] ?? ".") ?? other;
      const at = 4 * (row * n + column);
      image.data[at] = r;
      image.data[at + 1] = g;
      image.data[at + 2] = b;
      image.data[at + 3] = 255;
    }
  }
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d")!.putImageData(image, 0, 0);
}

export function HeatMap() {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [known, set_known] = useState<Sights | null>(null);
  const [trouble, set_trouble] = useState("");
  const [at, set_at] = useState<[number, number] | null>(null);

  useEffect(
    () =>
      poll(
        kEvery,
        sights,
        (got) => {
          set_known(got);
          set_trouble("");
        },
        (error) => set_trouble(error_text(error)),
      ),
    [],
  );
  const light = ui.light();
  useEffect(() => {
    if (known && canvas.current) draw(canvas.current, known);
  }, [known, light]);

  const where = (event: MouseEvent): [number, number] | null => {
    const n = known?.n ?? 0;
    const box = canvas.current!;
    const row = Math.floor((event.offsetY / box.clientHeight) * n);
    const column = Math.floor((event.offsetX / box.clientWidth) * n);
    return row >= 0 && column >= 0 && row < n && column < n ? [row, column] : null;
  };
  const counts: Record<string, number> = {};
  for (const row of known?.rows ?? []) for (const letter of row) counts[letter] = (counts[letter] ?? 0) + 1;
  const letter = at && known?.rows[at[0]]?.[at[1]];
  const pair =
    at && letter
      ? `${store.name(at[0])} about ${store.name(at[1])}: ${kWords[letter] ?? letter}`
      : "Point at a pair; a click selects the observer.";
  return (
    <div class="heat-view">
      <div class="heat-box">
        <span class="heat-x dim">subject →</span>
        <span class="heat-y dim">observer →</span>
        <canvas
          ref={canvas}
          data-testid="heatmap"
          role="img"
          aria-label={`Who sees whom: ${counts.a ?? 0} pairs alive, ${counts.s ?? 0} suspect, ${counts.f ?? 0} failed`}
          onMouseMove={(event) => set_at(where(event))}
          onMouseLeave={() => set_at(null)}
          onClick={(event) => ui.select(where(event)?.[0] ?? null)}
        />
      </div>
      <p class="heat-line" aria-live="off">
        {trouble ? <span class="bad-text">{trouble}</span> : pair}
      </p>
      <ul class="legend" aria-label="Legend">
        {Object.entries(kColours).map(([letter, colour]) => (
          <li key={letter}>
            <i class="square" style={{ background: `var(--${colour})` }} />
            {kWords[letter]} <span class="dim num">{counts[letter] ?? 0}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}
