// What the person at the page has chosen (member, table, theme), and the store with what feeds it.
import { Themed } from "../theme";
import { Store } from "./data";
import { Feed } from "./feed";

export class Ui extends Themed {
  // The id of a spot on the ring; null: this node.
  selected: string | null = null;

  select(id: string | null): void {
    this.selected = id;
    this.notify();
  }
}

export const store = new Store();
export const feed = new Feed(store);
export const ui = new Ui();
