// The broadcast tree of a namespace as a part of the page. Asks for it once in kEvery, and for the names of namespaces once in kNamesEvery,
// while it is shown and the page is in front.
import { useEffect, useRef, useState } from "preact/hooks";
import { error_text, Namespace, namespaces, tree_of } from "./api";
import { look_text } from "./data";
import { NodeLegend } from "./legend";
import { PickCanvas } from "./pickcanvas";
import { poll } from "./poll";
import { TreePicture } from "./tree";
import { Tree } from "./treelayout";
import { store, ui, use } from "./ui";

const kEvery = 2000;
const kNamesEvery = 5000;
const kNone = "no namespace yet: weft state create";
const kNothing = { nodes: 0, reached: 0, depth: 0 };

// For tests: what the tree shows now.
export const shown_tree = { figures: (): { nodes: number; reached: number; depth: number } => kNothing };

function figures_text(tree: Tree): string {
  const { nodes, reached, depth, depth_mean, eager_mean, silent } = tree.figures();
  if (!nodes) return "No node has said anything yet.";
  const parts = [`${nodes} nodes`, `depth ${depth}, mean ${depth_mean.toFixed(1)}`, `${eager_mean.toFixed(1)} eager links a node`, `${nodes - reached} not reached`];
  if (silent) parts.push(`${silent} more named that do not answer`);
  return parts.join(" · ");
}

function links_text(tree: Tree, i: number): string {
  const { eager, home, lazy } = tree.links_at(i);
  return `${eager} eager (${home} home), ${lazy} lazy`;
}

function depth_text(tree: Tree, i: number): string {
  const depth = tree.depths.get(i);
  if (depth === undefined) return "not in this tree";
  return depth === null ? "not reached" : depth === 0 ? "the root" : `depth ${depth}`;
}

function parent_text(tree: Tree, i: number): string {
  const parent = tree.parent_of(i);
  if (!parent) return "";
  return ` below ${store.name(parent.i)}${parent.rtt_ms === null ? "" : `, ${parent.rtt_ms.toFixed(1)} ms`}`;
}

// Names of the namespaces that the first usable node has; null before it has said so.
function useNames(): [string[] | null, string] {
  const [names, set_names] = useState<string[] | null>(null);
  const [trouble, set_trouble] = useState("");
  useEffect(
    () =>
      poll(
        kNamesEvery,
        async (): Promise<Namespace[] | null> => {
          const node = store.usable()[0];
          return node ? namespaces(node.i) : null;
        },
        (list) => {
          if (list) set_names([...new Set(list.map((each) => each.namespace))].sort());
          set_trouble(list ? "" : "no node is running and ready");
        },
        (error) => set_trouble(error_text(error)),
      ),
    [],
  );
  return [names, trouble];
}

export function TreeView() {
  use(store, ui);
  const picture = useRef<TreePicture | null>(null);
  const [names, names_trouble] = useNames();
  const [trouble, set_trouble] = useState("");
  const [text, set_text] = useState("");
  const [lazy, set_lazy] = useState(false);
  const space = names?.includes(ui.space ?? "") ? ui.space : (names?.[0] ?? null);

  useEffect(() => {
    const made = picture.current!;
    if (space === null) return undefined;
    const end = poll(
      kEvery,
      () => tree_of(space),
      (answer) => {
        made.set(answer, store.state?.nodes ?? []);
        set_text(figures_text(made.layout));
        set_trouble("");
      },
      (error) => set_trouble(error_text(error)),
    );
    return () => {
      end();
      // Of another namespace, or of nobody's any more.
      made.set(null, store.state?.nodes ?? []);
      set_text("");
      set_trouble("");
    };
  }, [space]);

  const follow = (made: TreePicture) => {
    picture.current = made;
    shown_tree.figures = () => {
      const { nodes, reached, depth } = made.layout.figures();
      return { nodes, reached, depth };
    };
    const told = () => made.set_nodes(store.state?.nodes ?? []);
    const chosen = () => made.select(ui.selected);
    told();
    chosen();
    const ends = [store.subscribe(told), ui.subscribe(chosen), () => (shown_tree.figures = () => kNothing)];
    return () => ends.forEach((end) => end());
  };
  const tip = (i: number) => {
    const node = store.node(i);
    const tree = picture.current?.layout;
    if (!node || !tree) return null;
    return (
      <>
        <b>{node.name}</b> {depth_text(tree, i)}
        {parent_text(tree, i)}
        <br />
        <span class="dim">{links_text(tree, i)}</span>
      </>
    );
  };
  const node = store.node(ui.selected);
  const tree = picture.current?.layout;
  return (
    <div class="ring-view">
      <div class="row tree-tools">
        <label>
          Namespace{" "}
          <select data-testid="tree-space" value={space ?? ""} disabled={!names?.length} onChange={(event) => ui.choose_space(event.currentTarget.value)}>
            {names?.map((name) => (
              <option key={name}>{name}</option>
            ))}
            {names?.length === 0 && <option value="">{kNone}</option>}
          </select>
        </label>
        <label>
          <input
            type="checkbox"
            data-testid="tree-lazy"
            checked={lazy}
            onChange={(event) => {
              set_lazy(event.currentTarget.checked);
              picture.current?.show_lazy(event.currentTarget.checked);
            }}
          />{" "}
          lazy links
        </label>
      </div>
      <PickCanvas
        make={(canvas) => new TreePicture(canvas)}
        follow={follow}
        ui={ui}
        testid="tree"
        label="Broadcast tree. Up chooses the parent, down a child, left and right a sibling, Home the root, Escape none."
        id_of={(i) => i}
        choose={(i) => ui.select(i)}
        key_of={(key, made) => made.layout.chosen_by_key(key, ui.selected)}
        tip={tip}
        spoken={node && tree ? `${node.name}, ${look_text(node)}, ${depth_text(tree, node.i)}, ${links_text(tree, node.i)}` : ""}
      />
      <p class="heat-line" data-testid="tree-line" aria-live="off">
        {trouble || names_trouble ? <span class="bad-text">{trouble || names_trouble}</span> : names?.length === 0 ? kNone : text}
      </p>
      <NodeLegend>
        <li>
          <i class="stroke link-home" />
          home link
        </li>
        <li>
          <i class="stroke link-eager" />
          eager link
        </li>
        {lazy && (
          <li>
            <i class="stroke link-lazy" />
            lazy link
          </li>
        )}
      </NodeLegend>
    </div>
  );
}
