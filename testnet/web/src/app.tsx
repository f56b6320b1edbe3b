// The page put together.
import { render } from "preact";
import { Charts } from "./charts";
import { Controls } from "./controls";
import { State } from "./data";
import { Details } from "./details";
import { Events } from "./events";
import { Header } from "./header";
import { HeatMap } from "./heatmap";
import { Waterfall } from "./lookup";
import { drawn, RingView } from "./ringview";
import { shown_tree, TreeView } from "./treeview";
import { flow, store, ui, use, View } from "./ui";

const kViews: [View, string][] = [
  ["ring", "Ring"],
  ["heatmap", "Who sees whom"],
  ["tree", "Broadcast tree"],
];
const kShown = { ring: RingView, heatmap: HeatMap, tree: TreeView } as const;

// Nodes of a recording cannot be asked for their links.
function Tabs() {
  use(store, ui);
  const askable = store.state && !store.state.replay;
  return (
    <div class="tabs" role="tablist" aria-label="View">
      {kViews.map(
        ([view, label]) =>
          (askable || view !== "tree") && (
            <button key={view} role="tab" data-testid={`tab-${view}`} aria-selected={ui.view === view} onClick={() => ui.set_view(view)}>
              {label}
            </button>
          ),
      )}
    </div>
  );
}

function Views() {
  use(ui);
  const Shown = kShown[ui.view];
  return (
    <section class="panel views" aria-label="Network">
      <Tabs />
      <Shown />
    </section>
  );
}

function App() {
  return (
    <>
      <Header />
      <main>
        <div class="column first">
          <Views />
          <div class="below">
            <Waterfall />
            <Events />
          </div>
        </div>
        <div class="column second">
          <Charts />
        </div>
        <div class="column third">
          <Details />
          <Controls />
        </div>
      </main>
    </>
  );
}

declare global {
  interface Window {
    weftTest: { frames: () => number; contacts: () => number; state: () => State | null; flow: () => ReturnType<typeof flow.figures>; tree: () => ReturnType<typeof shown_tree.figures> };
  }
}

window.weftTest = { frames: () => drawn.frames(), contacts: () => drawn.contacts, state: () => store.state, flow: () => flow.figures(), tree: () => shown_tree.figures() };
render(<App />, document.getElementById("app")!);
