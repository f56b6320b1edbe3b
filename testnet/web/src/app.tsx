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
import { flow, store, ui, use, View } from "./ui";

const kViews: [View, string][] = [
  ["ring", "Ring"],
  ["heatmap", "Who sees whom"],
];

function Views() {
  use(ui);
  return (
    <section class="panel views" aria-label="Network">
      <div class="tabs" role="tablist" aria-label="View">
        {kViews.map(([view, label]) => (
          <button key={view} role="tab" data-testid={`tab-${view}`} aria-selected={ui.view === view} onClick={() => ui.set_view(view)}>
            {label}
          </button>
        ))}
      </div>
      {ui.view === "ring" ? <RingView /> : <HeatMap />}
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
    weftTest: { frames: () => number; state: () => State | null; flow: () => ReturnType<typeof flow.figures> };
  }
}

window.weftTest = { frames: () => drawn.frames(), state: () => store.state, flow: () => flow.figures() };
render(<App />, document.getElementById("app")!);
