// The ring as a part of the page: its canvas with mouse and keys, the tooltip and the legend.
import { useEffect, useRef, useState } from "preact/hooks";
import { chosen_by_key } from "../ringkeys";
import { use } from "../shared";
import { kStateDot, Spot, state_text } from "./data";
import { Ring } from "./ring";
import { store, ui } from "./ui";

const kLegend: [string, string][] = [
  [kStateDot.alive, "alive"],
  [kStateDot.suspect, "suspected"],
  [kStateDot.failed, "failed"],
  [kStateDot.left, "left"],
  [kStateDot.contact, "contact only"],
];

function small_text(): string {
  const status = store.status;
  if (!status) return "";
  const { suspect, failed } = status.members;
  const doubts = [suspect && `${suspect} suspected`, failed && `${failed} failed`].filter(Boolean);
  return doubts.length ? doubts.join(", ") : status.members.alive === 1 ? "member alive" : "members alive";
}

export function RingView() {
  use(store, ui);
  const canvas = useRef<HTMLCanvasElement>(null);
  const ring = useRef<Ring | null>(null);
  const [tip, set_tip] = useState<{ id: string; x: number; y: number } | null>(null);

  useEffect(() => {
    const element = canvas.current!;
    const made = new Ring(element);
    ring.current = made;
    const observer = new ResizeObserver(() => made.resize(element.clientWidth, element.clientHeight));
    observer.observe(element);
    let light = ui.light();
    const fill = () => {
      if (light !== ui.light()) {
        light = ui.light();
        made.repaint();
      }
      made.set(store.spots, store.status?.id ?? null, ui.selected, String(store.status?.members.alive ?? ""), small_text());
    };
    const told = () => {
      fill();
      if (store.fresh.length) made.tell(store.fresh);
    };
    fill();
    const ends = [store.subscribe(told), ui.subscribe(fill), () => observer.disconnect()];
    return () => ends.forEach((end) => end());
  }, []);

  const id_of = (i: number | null | undefined): string | null => (i === null || i === undefined ? null : (store.spots[i]?.id ?? null));
  const hit = (event: MouseEvent) => ring.current?.layout.hit(event.offsetX, event.offsetY) ?? null;
  const move = (event: MouseEvent) => {
    const i = hit(event);
    const id = id_of(i);
    ring.current?.hover(i);
    set_tip(id === null ? null : { id, x: event.offsetX, y: event.offsetY });
  };
  const leave = () => {
    ring.current?.hover(null);
    set_tip(null);
  };
  const key = (event: KeyboardEvent) => {
    const layout = ring.current?.layout;
    if (!layout) return;
    const found = store.spots.findIndex((spot) => spot.id === ui.selected);
    const from = found < 0 ? null : found;
    const to = chosen_by_key(event.key, layout, from);
    if (to === undefined) return;
    event.preventDefault();
    ui.select(id_of(to));
  };
  const chosen = store.spot(ui.selected);
  const shown: Spot | null = tip && store.spot(tip.id);
  return (
    <section class="panel views ring-view" aria-label="Mesh">
      <div class="ring-box">
        <canvas
          ref={canvas}
          data-testid="ring"
          tabIndex={0}
          role="application"
          aria-label="Ring of members by id. Arrow keys choose one, Escape none."
          onClick={(event) => ui.select(id_of(hit(event)))}
          onMouseMove={move}
          onMouseLeave={leave}
          onKeyDown={key}
        />
        {tip && shown && (
          <div class="tip" style={{ left: `${tip.x}px`, top: `${tip.y}px` }}>
            <b>{shown.name}</b> {state_text(shown)}
            <br />
            <span class="dim mono">{shown.id.slice(0, 16)}</span>
          </div>
        )}
      </div>
      <p class="sr" aria-live="polite">
        {chosen ? `${chosen.name}, ${state_text(chosen)}` : ""}
      </p>
      <ul class="legend" aria-label="Legend">
        {kLegend.map(([look, text]) => (
          <li key={text}>
            <i class={`dot ${look}`} />
            {text}
          </li>
        ))}
        <li>
          <i class="stroke" style={{ background: "var(--accent)" }} />
          contact of this node
        </li>
      </ul>
    </section>
  );
}
