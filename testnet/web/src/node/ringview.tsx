// The ring as a part of the page: what it shows, what its tooltip says, and the legend.
import { Legend } from "../legend";
import { PickCanvas } from "../pickcanvas";
import { chosen_by_key } from "../ringkeys";
import { use } from "../shared";
import { kStateDot, state_text } from "./data";
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
  const follow = (made: Ring) => {
    const fill = () => made.set(store.spots, store.status?.id ?? null, ui.selected, String(store.status?.members.alive ?? ""), small_text());
    const told = () => {
      fill();
      if (store.fresh.length) made.tell(store.fresh);
    };
    fill();
    const ends = [store.subscribe(told), ui.subscribe(fill)];
    return () => ends.forEach((end) => end());
  };
  const key_of = (key: string, ring: Ring) => {
    const found = store.spots.findIndex((spot) => spot.id === ui.selected);
    return chosen_by_key(key, ring.layout, found < 0 ? null : found);
  };
  const tip = (id: string) => {
    const spot = store.spot(id);
    return (
      spot && (
        <>
          <b>{spot.name}</b> {state_text(spot)}
          <br />
          <span class="dim mono">{spot.id.slice(0, 16)}</span>
        </>
      )
    );
  };
  const chosen = store.spot(ui.selected);
  return (
    <section class="panel views ring-view" aria-label="Mesh">
      <PickCanvas
        make={(canvas) => new Ring(canvas)}
        follow={follow}
        ui={ui}
        testid="ring"
        label="Ring of members by id. Arrow keys choose one, Escape none."
        id_of={(i) => store.spots[i]?.id ?? null}
        choose={(id) => ui.select(id)}
        key_of={key_of}
        tip={tip}
        spoken={chosen ? `${chosen.name}, ${state_text(chosen)}` : ""}
      />
      <Legend rows={kLegend}>
        <li>
          <i class="stroke" style={{ background: "var(--accent)" }} />
          contact of this node
        </li>
      </Legend>
    </section>
  );
}
