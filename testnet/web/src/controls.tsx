// Controls of the whole testnet. Each shows what it is doing and then its answer or error in the status line.
import { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { act, answer_text, error_text, token } from "./api";
import { clock, ranges, State } from "./data";
import { store, ui, use } from "./ui";
import { Values } from "./values";

type Say = (text: string, bad?: boolean) => void;

function text_of(form: HTMLFormElement, name: string): string {
  const value = new FormData(form).get(name);
  return typeof value === "string" ? value.trim() : "";
}

function Group({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <fieldset disabled={!token}>
      <legend>{name}</legend>
      {children}
    </fieldset>
  );
}

function Form({ label, submit, children }: { label: string; submit: (form: HTMLFormElement) => void; children: ComponentChildren }) {
  return (
    <form
      class="row"
      aria-label={label}
      onSubmit={(event) => {
        event.preventDefault();
        submit(event.currentTarget);
      }}
    >
      {children}
    </form>
  );
}

function share_of(form: HTMLFormElement): string {
  return `${text_of(form, "share") || "0"}%`;
}

function Processes({ run }: { run: (label: string, body: object) => void }) {
  const [share, set_share] = useState("10");
  const dead = store.state?.nodes.filter((node) => node.run === "dead").map((node) => node.i) ?? [];
  const paused = store.state?.nodes.filter((node) => node.run === "paused").map((node) => node.i) ?? [];
  return (
    <Group name="Processes">
      <div class="row">
        <button class="danger" data-testid="kill-quarter" onClick={() => run("kill 25 %", { do: "kill", which: "25%" })}>
          Kill 25 %
        </button>
        <button data-testid="restart-dead" disabled={!dead.length} onClick={() => run("restart all dead", { do: "restart", which: ranges(dead) })}>
          Restart {dead.length || ""} dead
        </button>
        <button title="Resume all that are paused" disabled={!paused.length} onClick={() => run("resume all paused", { do: "resume", which: ranges(paused) })}>
          Resume {paused.length || ""}
        </button>
      </div>
      <div class="row">
        <label>
          <input
            type="number"
            min="1"
            max="100"
            value={share}
            aria-label="Share in percent"
            onInput={(event) => set_share(event.currentTarget.value)}
          />{" "}
          %
        </label>
        <button onClick={() => run(`kill ${share} %`, { do: "kill", which: `${share}%` })}>Kill</button>
        <button onClick={() => run(`stop ${share} %`, { do: "stop", which: `${share}%` })}>Stop</button>
        <button onClick={() => run(`pause ${share} %`, { do: "pause", which: `${share}%` })}>Pause</button>
      </div>
      <Form label="Add nodes" submit={(form) => run(`add ${text_of(form, "count")}`, { do: "add", count: Number(text_of(form, "count")) })}>
        <label>
          <input name="count" type="number" min="1" max="1000" defaultValue="5" required aria-label="How many nodes" /> nodes
        </label>
        <button>Add</button>
      </Form>
    </Group>
  );
}

function Network({ run }: { run: (label: string, body: object) => void }) {
  return (
    <Group name="Network">
      <Form
        label="Partition"
        submit={(form) =>
          run(`partition ${share_of(form)}`, {
            do: "partition",
            which: share_of(form),
            one_way: new FormData(form).has("one_way"),
            heal_after_ms: Math.round(1000 * Number(text_of(form, "heal"))),
          })
        }
      >
        <label>
          <input name="share" type="number" min="1" max="99" defaultValue="50" required aria-label="Share cut off, in percent" /> %
        </label>
        <label title="They still hear the others, but are not heard">
          <input name="one_way" type="checkbox" /> one way
        </label>
        <label title="0: until Heal is pressed">
          heals after <input name="heal" type="number" min="0" defaultValue="0" required /> s
        </label>
        <button>Partition</button>
        <button type="button" onClick={() => run("heal", { do: "heal" })}>
          Heal
        </button>
      </Form>
      <Form label="Link" submit={(form) => run("link", { do: "link", spec: text_of(form, "spec") })}>
        <input
          name="spec"
          class="wide"
          placeholder="latency=20ms,loss=1% (empty: none)"
          aria-label="Link, such as latency=20ms,loss=1%"
          spellcheck={false}
        />
        <button>Set link</button>
      </Form>
    </Group>
  );
}

function Churn({ run }: { run: (label: string, body: object) => void }) {
  return (
    <Group name="Churn">
      <Form
        label="Churn"
        submit={(form) =>
          run("churn", {
            do: "churn",
            model: text_of(form, "model"),
            median_ms: Math.round(1000 * Number(text_of(form, "median"))),
            for_ms: Math.round(1000 * Number(text_of(form, "for"))),
          })
        }
      >
        <select name="model" aria-label="Model of session lengths">
          <option value="weibull">Weibull</option>
          <option value="exponential">exponential</option>
          <option value="pareto">Pareto</option>
        </select>
        <label>
          median <input name="median" type="number" min="1" defaultValue="60" required /> s
        </label>
        <label>
          for <input name="for" type="number" min="1" defaultValue="60" required /> s
        </label>
        <button>Start</button>
        <button type="button" disabled={!store.state?.summary.churning} onClick={() => run("end churn", { do: "end_churn" })}>
          End
        </button>
      </Form>
    </Group>
  );
}

// In place of the controls: how far a recording has come.
function Replay({ state }: { state: State }) {
  const length = state.length_ms ?? 0;
  return (
    <section class="panel controls" aria-label="Recording">
      <h2>Recording</h2>
      <p class="cut" title={state.dir}>
        {state.dir}
      </p>
      <progress class="length" max={length} value={state.t_ms} aria-label="How far it has come" />
      <p class="num" data-testid="replay-time">
        {clock(state.t_ms)} of {clock(length)}
        {state.speed !== 1 && ` · ${state.speed} times as fast`}
      </p>
      <p role="status" data-testid="replay-state">
        {state.summary.ended ? "The recording has ended: this is how it stood." : "It can be watched and not changed."}
      </p>
    </section>
  );
}

export function Controls() {
  use(store);
  const state = store.state;
  return state?.replay ? <Replay state={state} /> : <Live />;
}

function Live() {
  use(store, ui);
  const [said, set_said] = useState<{ text: string; bad: boolean }>({ text: "", bad: false });
  const say: Say = (text, bad = false) => set_said({ text, bad });
  const run = async (label: string, body: object) => {
    say(`${label} …`);
    try {
      const answer = (await act(body)) as { done?: unknown };
      say(`${label}: ${answer_text(answer.done ?? answer) || "done"}`);
    } catch (error) {
      say(`${label}: ${error_text(error)}`, true);
    }
  };
  return (
    <section class="panel controls" aria-label="Controls">
      <h2>Controls</h2>
      {!token && <p class="note">Read only: open the address that weft testnet up printed.</p>}
      <Processes run={run} />
      <Network run={run} />
      <Churn run={run} />
      <p role="status" class={`said ${said.bad ? "bad-text" : ""}`}>
        {said.text}
      </p>
      <Group name="Values">
        <Values />
      </Group>
    </section>
  );
}
