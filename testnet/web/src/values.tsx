// put, get and lookup at one node, with the answer; a lookup goes on to the ring and the waterfall.
import { useState } from "preact/hooks";
import { error_text, Lookup, write } from "./api";
import { store, ui } from "./ui";

interface Got {
  values?: { author?: string; seq?: number; value_base64?: string; copies?: number }[];
  hops?: number;
  queries?: number;
  elapsed_ms?: number;
}

interface Put {
  seq?: number;
  replicas?: number;
  elapsed_ms?: number;
}

// As text where it is text.
function decode(base64: string | undefined): string {
  if (base64 === undefined) return "nothing";
  try {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    return JSON.stringify(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return `${base64} (base64)`;
  }
}

function took(ms: number | undefined): string {
  return ms === undefined ? "" : ` in ${Math.round(ms * 10) / 10} ms`;
}

function got_text(got: Got): string {
  const values = got.values ?? [];
  if (!values.length) return "no value";
  const shown = values.slice(0, 4).map((each) => {
    const author = each.author === undefined ? null : store.index_of(each.author);
    return decode(each.value_base64) + (author === null ? "" : ` by ${store.name(author)}`);
  });
  return shown.join(", ") + (values.length > 4 ? ` and ${values.length - 4} more` : "") + took(got.elapsed_ms);
}

export function Values() {
  const [key, set_key] = useState("greeting");
  const [value, set_value] = useState("hello");
  const [at, set_at] = useState("");
  const [said, set_said] = useState<{ text: string; bad: boolean }>({ text: "", bad: false });

  const run = async (what: "put" | "get" | "lookup") => {
    const usable = store.usable();
    const node = at === "" ? usable[Math.floor(Math.random() * usable.length)]?.i : Number(at);
    if (node === undefined) return set_said({ text: "no node is running and ready", bad: true });
    const where = `${what} at ${store.name(node)}`;
    set_said({ text: `${where} …`, bad: false });
    try {
      const answer = await write(`/v1/testnet/${what}`, what === "put" ? { node, key, value } : { node, key });
      if (what === "put") {
        const put = answer as Put;
        set_said({ text: `${where}: ${put.replicas ?? "?"} copies, number ${put.seq ?? "?"}${took(put.elapsed_ms)}`, bad: false });
      } else if (what === "get") {
        set_said({ text: `${where}: ${got_text(answer as Got)}`, bad: false });
      } else {
        const lookup = answer as Lookup;
        ui.show_lookup(node, key, lookup);
        const asked = lookup.queries ?? lookup.steps?.length ?? 0;
        set_said({ text: `${where}: ${asked} asked, ${lookup.hops ?? "?"} hops${took(lookup.elapsed_ms)}`, bad: false });
      }
    } catch (error) {
      set_said({ text: `${where}: ${error_text(error)}`, bad: true });
    }
  };
  return (
    <form
      aria-label="Values"
      onSubmit={(event) => {
        event.preventDefault();
        void run("put");
      }}
    >
      <div class="row">
        <input
          data-testid="put-key"
          class="wide"
          value={key}
          required
          maxLength={255}
          placeholder="key"
          aria-label="Key"
          spellcheck={false}
          onInput={(event) => set_key(event.currentTarget.value)}
        />
        <input
          data-testid="put-value"
          class="wide"
          value={value}
          maxLength={1000}
          placeholder="value"
          aria-label="Value"
          onInput={(event) => set_value(event.currentTarget.value)}
        />
      </div>
      <div class="row">
        <label title="The number of a node; empty: any that runs">
          at node{" "}
          <input
            data-testid="op-node"
            type="number"
            min="0"
            value={at}
            placeholder="any"
            onInput={(event) => set_at(event.currentTarget.value)}
          />
        </label>
        <button data-testid="put-submit">Put</button>
        <button type="button" data-testid="get-submit" onClick={() => run("get")}>
          Get
        </button>
        <button type="button" data-testid="lookup-submit" onClick={() => run("lookup")}>
          Look up
        </button>
      </div>
      <p role="status" data-testid="op-result" class={`said ${said.bad ? "bad-text" : ""}`}>
        {said.text}
      </p>
    </form>
  );
}
