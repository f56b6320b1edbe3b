// The live connection: an EventSource that feeds the store, connects again by itself and says how it stands.
//
// A browser gives up after an HTTP error, so we start anew with growing pauses (kPauseMax at most). The server speaks once a second at
// least; after kSilence without a word the connection counts as stale.
import { Change, Source, State, Store } from "./data";

const kPauseMax = 8000;
const kSilence = 5000;

export type Connection = "connecting" | "live" | "stale" | "lost";

export class Stream extends Source {
  connection: Connection = "connecting";
  private source: EventSource | null = null;
  private pause = 500;
  private heard = 0;

  constructor(private readonly store: Store) {
    super();
    this.open();
    setInterval(() => {
      if (this.connection === "live" && Date.now() - this.heard > kSilence) this.set("stale");
    }, 1000);
  }

  private set(connection: Connection): void {
    if (connection === this.connection) return;
    this.connection = connection;
    this.notify();
  }

  private hear(): void {
    this.heard = Date.now();
    this.pause = 500;
    this.set("live");
  }

  private open(): void {
    const source = new EventSource("/v1/testnet/stream");
    this.source = source;
    const on = (name: string, apply: (text: string) => void) =>
      source.addEventListener(name, (event) => {
        if (source !== this.source) return;
        try {
          apply((event as MessageEvent<string>).data);
          this.hear();
        } catch (error) {
          console.error(`a ${name} that cannot be read`, error);
        }
      });
    on("snapshot", (text) => this.store.snapshot(JSON.parse(text) as State));
    on("change", (text) => this.store.change(JSON.parse(text) as Change));
    source.onerror = () => {
      if (source !== this.source) return;
      source.close();
      this.source = null;
      this.set("lost");
      setTimeout(() => this.open(), this.pause);
      this.pause = Math.min(kPauseMax, this.pause * 2);
    };
  }
}
