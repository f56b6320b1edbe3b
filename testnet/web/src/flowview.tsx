// The switch that shows messages on the ring, what their colours mean, and what is not drawn. Asks once in kEvery while it is on.
import { useEffect, useState } from "preact/hooks";
import { error_text, flow_after } from "./api";
import { kDelayMs, kFlowKinds } from "./flow";
import { poll } from "./poll";
import { flow, store, ui, use } from "./ui";

const kEvery = 1000;
const kCalm = matchMedia("(prefers-reduced-motion: reduce)");

// Whether somebody who uses this machine asks for less motion.
function useCalm(): boolean {
  const [calm, set_calm] = useState(kCalm.matches);
  useEffect(() => {
    const told = () => set_calm(kCalm.matches);
    kCalm.addEventListener("change", told);
    return () => kCalm.removeEventListener("change", told);
  }, []);
  return calm;
}

export function FlowSwitch() {
  use(store, ui);
  if (!store.state || store.state.replay) return null;
  return (
    <button
      class="on-canvas"
      data-testid="flow-switch"
      aria-pressed={ui.messages}
      title="Real messages between nodes, as dots from sender to receiver"
      onClick={() => ui.show_messages(!ui.messages)}
    >
      Messages
    </button>
  );
}

function line_text(trouble: string): string {
  const node = store.node(ui.selected);
  const what = node ? `From and to ${node.name}, ` : "";
  const late = `drawn ${kDelayMs / 1000} s after they were sent`;
  const left_out = flow.not_drawn ? ` · ${flow.not_drawn} messages not drawn` : "";
  return trouble || (what ? what + late : late[0]!.toUpperCase() + late.slice(1)) + left_out;
}

// Under the ring.
export function FlowLine() {
  use(flow, ui);
  const calm = useCalm();
  const [trouble, set_trouble] = useState("");
  const on = ui.messages && !store.state?.replay;
  useEffect(() => {
    if (!on || calm) return undefined;
    const hidden = () => document.hidden && flow.pause();
    document.addEventListener("visibilitychange", hidden);
    const end = poll(
      kEvery,
      () => flow_after(flow.cursor),
      (answer) => {
        // Of a page that was hidden meanwhile it is old when somebody looks again.
        if (!document.hidden) flow.take(answer, performance.now());
        set_trouble("");
      },
      (error) => {
        // The cursor may be of a server that is no more.
        flow.pause();
        set_trouble(error_text(error));
      },
    );
    return () => {
      end();
      document.removeEventListener("visibilitychange", hidden);
      flow.clear();
    };
  }, [on, calm]);
  if (!on) return null;
  if (calm) {
    return (
      <p class="heat-line dim" data-testid="flow-line">
        This system asks for less motion: messages are not drawn.
      </p>
    );
  }
  return (
    <>
      <ul class="legend" aria-label="Kinds of messages">
        {kFlowKinds.map((kind) => (
          <li key={kind}>
            <i class="dot" style={{ color: `var(--flow-${kind})` }} />
            {kind}
          </li>
        ))}
      </ul>
      <p class={`heat-line ${trouble ? "bad-text" : "dim"}`} data-testid="flow-line" aria-live="off">
        {line_text(trouble)}
      </p>
    </>
  );
}
