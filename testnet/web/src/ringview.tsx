// The ring as a part of the page: what it shows, what its tooltip says, and the legend.
import { read } from "./api";
import { look_text } from "./data";
import { FlowLine, FlowSwitch } from "./flowview";
import { NodeLegend } from "./legend";
import { PickCanvas } from "./pickcanvas";
import { poll } from "./poll";
import { Ring } from "./ring";
import { chosen_by_key } from "./ringkeys";
import { flow, store, ui } from "./ui";

// For tests: how many frames were drawn since the page was opened, and how many contacts of the chosen node are shown.
export const drawn = { frames: () => 0, contacts: 0 };

const kContactsEvery = 5000;

// Whom node I has in its routing table, again and again; of a recording nobody can be asked.
function follow_contacts(i: number | null, made: Ring): () => void {
  const show = (contacts: number[]) => {
    drawn.contacts = contacts.length;
    made.show_contacts(contacts);
  };
  show([]);
  if (i === null || store.state?.replay) return () => {};
  const take = (answer: unknown) => {
    const ids = Array.isArray(answer) ? answer.map((each: { id?: unknown }) => String(each?.id)) : [];
    show(ids.map((id) => store.index_of(id)).filter((to) => to !== null));
  };
  const ask = async () => {
    const node = store.node(i);
    return node?.run === "running" && node.ready ? read(`/v1/testnet/nodes/${i}/buckets`) : [];
  };
  return poll(kContactsEvery, ask, take, () => show([]));
}

export function RingView() {
  const follow = (made: Ring) => {
    const before = drawn.frames();
    drawn.frames = () => before + made.frames;
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
    let shown = 0;
    let of: number | null = null;
    let end_contacts = follow_contacts(null, made);
    const chosen = () => {
      made.select(ui.selected);
      if (of !== ui.selected) {
        of = ui.selected;
        end_contacts();
        end_contacts = follow_contacts(of, made);
      }
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
    const ends = [store.subscribe(told), ui.subscribe(chosen), flow.subscribe(() => made.flowed()), () => flow.clear(), () => end_contacts()];
    return () => ends.forEach((end) => end());
  };
  const tip = (i: number) => {
    const node = store.node(i);
    return (
      node && (
        <>
          <b>{node.name}</b> {look_text(node)}
          <br />
          <span class="dim mono">{node.id.slice(0, 16) || "no id yet"}</span>
          {node.run === "running" && <span class="dim"> · sees {node.members}</span>}
        </>
      )
    );
  };
  const chosen_node = store.node(ui.selected);
  return (
    <div class="ring-view">
      <PickCanvas
        make={(canvas) => new Ring(canvas, flow)}
        follow={follow}
        ui={ui}
        testid="ring"
        label="Ring of nodes by id. Arrow keys choose a node, Escape none."
        id_of={(i) => i}
        choose={(i) => ui.select(i)}
        key_of={(key, ring) => chosen_by_key(key, ring.layout, ui.selected)}
        tip={tip}
        spoken={chosen_node ? `${chosen_node.name}, ${look_text(chosen_node)}` : ""}
      >
        <FlowSwitch />
      </PickCanvas>
      <FlowLine />
      <NodeLegend />
    </div>
  );
}
