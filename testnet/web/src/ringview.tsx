// The ring as a part of the page: its canvas with mouse and keys, the tooltip and the legend.
import { useEffect, useRef, useState } from "preact/hooks";
import { look_text } from "./data";
import { Ring } from "./ring";
import { chosen_by_key } from "./ringkeys";
import { store, ui } from "./ui";

// For tests: how many frames were drawn since the page was opened.
export const drawn = { frames: () => 0 };

const kLegend = [
  ["ok", "running"],
  ["starting hollow", "starting"],
  ["warn", "suspected"],
  ["bad", "failed"],
  ["paused", "paused"],
  ["dead hollow", "dead"],
  ["ok diamond", "cut off"],
] as const;

export function RingView() {
  const canvas = useRef<HTMLCanvasElement>(null);
  const ring = useRef<Ring | null>(null);
  const [tip, set_tip] = useState<{ i: number; x: number; y: number } | null>(null);

  useEffect(() => {
    const element = canvas.current!;
    const made = new Ring(element);
    ring.current = made;
    const before = drawn.frames();
    drawn.frames = () => before + made.frames;
    const observer = new ResizeObserver(() => made.resize(element.clientWidth, element.clientHeight));
    observer.observe(element);
    const fill = () => {
      const state = store.state;
      if (!state) return;
      const s = state.summary;
      const small = s.converged ? "all see all" : `running, seen by each: ${s.members_min} to ${s.members_max}`;
      made.set(state.nodes, String(s.running), small);
    };
    const told = () => {
      fill();
      made.tell(store.fresh);
    };
    let theme = ui.light();
    let shown = 0;
    const chosen = () => {
      if (theme !== ui.light()) {
        theme = ui.light();
        made.repaint();
      }
      made.select(ui.selected);
      if (ui.lookup && ui.lookup.shown !== shown) {
        shown = ui.lookup.shown;
        made.show(ui.lookup.from, ui.lookup.answer.steps ?? [], ui.lookup.answer.target, (id) => store.index_of(id));
      } else if (!ui.lookup && shown) {
        shown = 0;
        made.end_show();
      }
    };
    fill();
    chosen();
    const ends = [store.subscribe(told), ui.subscribe(chosen), () => observer.disconnect()];
    return () => ends.forEach((end) => end());
  }, []);

  const hit = (event: MouseEvent) => ring.current?.layout.hit(event.offsetX, event.offsetY) ?? null;
  const move = (event: MouseEvent) => {
    const i = hit(event);
    ring.current?.hover(i);
    set_tip(i === null ? null : { i, x: event.offsetX, y: event.offsetY });
  };
  const leave = () => {
    ring.current?.hover(null);
    set_tip(null);
  };
  const key = (event: KeyboardEvent) => {
    const layout = ring.current?.layout;
    if (!layout) return;
    const to = chosen_by_key(event.key, layout, ui.selected);
    if (to === undefined) return;
    event.preventDefault();
    ui.select(to);
  };
  const chosen_node = store.node(ui.selected);
  const node = tip && store.node(tip.i);
  return (
    <div class="ring-view">
      <div class="ring-box">
        <canvas
          ref={canvas}
          data-testid="ring"
          tabIndex={0}
          role="application"
          aria-label="Ring of nodes by id. Arrow keys choose a node, Escape none."
          onClick={(event) => ui.select(hit(event))}
          onMouseMove={move}
          onMouseLeave={leave}
          onKeyDown={key}
        />
        {node && (
          <div class="tip" style={{ left: `${tip.x}px`, top: `${tip.y}px` }}>
            <b>{node.name}</b> {look_text(node)}
            <br />
            <span class="dim mono">{node.id.slice(0, 16) || "no id yet"}</span>
            {node.run === "running" && <span class="dim"> · sees {node.members}</span>}
          </div>
        )}
      </div>
      <p class="sr" aria-live="polite">
        {chosen_node ? `${chosen_node.name}, ${look_text(chosen_node)}` : ""}
      </p>
      <ul class="legend" aria-label="Legend">
        {kLegend.map(([look, text]) => (
          <li key={text}>
            <i class={`dot ${look}`} />
            {text}
          </li>
        ))}
      </ul>
    </div>
  );
}
