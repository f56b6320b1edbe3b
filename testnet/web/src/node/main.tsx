// The page of one node, put together: `weft up --http` serves it, and all that it shows comes from that node.
import { render } from "preact";
import { About } from "./about";
import { Charts } from "./charts";
import { Contact, Member } from "./data";
import { Header } from "./header";
import { Point } from "./metrics";
import { RingView } from "./ringview";
import { Tables } from "./tables";
import { Told } from "./told";
import { store } from "./ui";

function App() {
  return (
    <>
      <Header />
      <main class="of-node">
        <div class="column first">
          <RingView />
          <div class="below">
            <Told />
          </div>
        </div>
        <div class="column second">
          <Charts />
        </div>
        <div class="column third">
          <About />
          <Tables />
        </div>
      </main>
    </>
  );
}

declare global {
  interface Window {
    weftNode: { members: () => Member[]; contacts: () => Contact[]; points: () => Point[] };
  }
}

// For tests.
window.weftNode = { members: () => store.members, contacts: () => store.contacts, points: () => store.points };
render(<App />, document.getElementById("app")!);
