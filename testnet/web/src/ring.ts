// The ring on its canvas: nodes at their ids, a flash for every sighting, a pulse where a process changed, messages as they fly, and a
// lookup hop by hop.
//
// Nodes are drawn once into a second canvas and only again when something about them changed; a frame copies that and draws what moves.
// No frame is drawn while nothing moves. kFlashes and kPulses are alive at most; what comes above that is not drawn.
import { Step } from "./api";
import { Event, Node, Run, Sight } from "./data";
import { draw_dots, kDotColours } from "./dots";
import { Flow, kFlowColours } from "./flow";
import { angle_of, Layout } from "./layout";
import { Picture } from "./picture";
import { bow, draw_circle, draw_mark, draw_words } from "./ringparts";

const kFlashes = 140;
const kFlashMs = 800;
const kPulses = 80;
const kPulseMs = 900;
// A lookup takes some milliseconds; shown so long.
const kLookupMs = 3600;
const kHopMs = 420;

interface Flash {
  by: number;
  about: number;
  state: Sight;
  begin: number;
}

interface Pulse {
  node: number;
  run: Run;
  begin: number;
}

interface Arrow {
  from: number;
  to: number;
  answered: boolean;
  at: number;
  hop: number;
}

interface Trace {
  from: number;
  begin: number;
  arrows: Arrow[];
  target: number | null;
  end: number;
}

const kNames = [...kDotColours, ...kFlowColours, "text", "dim", "line", "accent", "left"] as const;
type Colours = Record<(typeof kNames)[number], string>;
const kSightColour: Record<Sight, keyof Colours> = { alive: "ok", suspect: "warn", failed: "bad", left: "left" };

export class Ring extends Picture<keyof Colours> {
  readonly layout = new Layout();
  private readonly still = document.createElement("canvas");
  private nodes: Node[] = [];
  private big = "";
  private small = "";
  private flashes: Flash[] = [];
  private pulses: Pulse[] = [];
  private trace: Trace | null = null;
  private contacts: number[] = []; // of the chosen node
  private stale = true;
  private timer = 0;

  constructor(
    canvas: HTMLCanvasElement,
    private readonly flow: Flow,
  ) {
    super(canvas, kNames);
  }

  override resize(width: number, height: number): void {
    super.resize(width, height);
    this.fit(this.still);
  }

  set(nodes: Node[], big: string, small: string): void {
    this.nodes = nodes;
    this.big = big;
    this.small = small;
    this.touch();
  }

  tell(events: Event[]): void {
    const now = performance.now();
    for (const event of events) {
      // Spread over the half second they were collected in.
      const begin = now + Math.random() * 400;
      if (event.what === "sight") {
        if (!this.calm.matches && this.flashes.length < kFlashes) this.flashes.push({ by: event.by, about: event.about, state: event.state, begin });
      } else if (this.pulses.length < kPulses) {
        this.pulses.push({ node: event.node, run: event.what === "run" ? event.run : "running", begin });
      }
    }
    if (events.length) this.ask();
  }

  // Arrows from who named a node to that node, at the times of the lookup but slower.
  show(from: number, steps: Step[], target: string | undefined, index_of: (id: string) => number | null): void {
    const all = steps.reduce((most, step) => Math.max(most, (step.at_ms ?? 0) + (step.rtt_ms ?? 0)), 1);
    const arrows: Arrow[] = [];
    for (const step of steps) {
      const to = index_of(step.id);
      if (to === null) continue;
      const named_by = step.named_by ? index_of(step.named_by) : null;
      const at = ((step.at_ms ?? 0) / all) * (this.calm.matches ? 0 : kLookupMs);
      arrows.push({ from: named_by ?? from, to, answered: step.rtt_ms !== null && step.rtt_ms !== undefined, at, hop: step.hop ?? 0 });
    }
    const begin = performance.now();
    this.trace = { from, begin, arrows, target: angle_of(target), end: begin + kLookupMs + kHopMs + 200 };
    this.ask();
  }

  end_show(): void {
    this.trace = null;
    this.ask();
  }

  // Whom the chosen node has in its routing table.
  show_contacts(contacts: number[]): void {
    this.contacts = contacts;
    this.ask();
  }

  // Messages have come.
  flowed(): void {
    this.ask();
  }

  protected override touch(): void {
    this.stale = true;
    this.ask();
  }

  protected override draw(c: CanvasRenderingContext2D, now: number): void {
    if (this.layout.update(this.nodes, this.width, this.height)) this.stale = true;
    if (this.stale) this.draw_still();
    this.stale = false;
    const scale = this.scale();
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.drawImage(this.still, 0, 0);
    c.setTransform(scale, 0, 0, scale, 0, 0);
    this.draw_contacts(c);
    this.draw_flashes(c, now);
    this.draw_pulses(c, now);
    this.flow.draw(c, this.layout, this.colours, this.selected, now);
    draw_words(c, this.layout, this.colours, this.big, this.small);  // over the flashes
    const moving = this.draw_trace(c, now);
    this.draw_marks(c);
    if (moving || this.flashes.length || this.pulses.length) this.ask();
    else this.await_flow(now);
  }

  private await_flow(now: number): void {
    const wait = this.flow.wait(now);
    clearTimeout(this.timer);
    if (wait === 0) this.ask();
    else if (wait !== null) this.timer = window.setTimeout(() => this.ask(), wait);
  }

  private draw_still(): void {
    const c = this.still.getContext("2d")!;
    const scale = this.scale();
    c.setTransform(scale, 0, 0, scale, 0, 0);
    c.clearRect(0, 0, this.width, this.height);
    draw_circle(c, this.layout, this.colours.line);
    draw_dots(c, this.layout, this.nodes, this.colours);
  }

  private draw_contacts(c: CanvasRenderingContext2D): void {
    const known = this.layout.x.length;
    const from = this.selected;
    if (from === null || from >= known) return;
    c.strokeStyle = this.colours.accent;
    c.lineWidth = 1;
    c.globalAlpha = 0.3;
    c.beginPath();
    for (const to of this.contacts) if (to < known && to !== from) bow(c, this.layout, from, to);
    c.stroke();
    c.globalAlpha = 1;
  }

  private draw_flashes(c: CanvasRenderingContext2D, now: number): void {
    this.flashes = this.flashes.filter((flash) => now - flash.begin < kFlashMs);
    const known = this.layout.x.length;
    c.lineWidth = 1.1;
    // Few steps of brightness, one path for each and each colour.
    const paths = new Map<string, Flash[]>();
    for (const flash of this.flashes) {
      if (flash.begin > now || flash.by >= known || flash.about >= known) continue;
      const fade = Math.ceil(5 * (1 - (now - flash.begin) / kFlashMs));
      const key = `${flash.state}${fade}`;
      const path = paths.get(key);
      if (path) path.push(flash);
      else paths.set(key, [flash]);
    }
    for (const [key, path] of paths) {
      c.globalAlpha = Number(key.slice(-1)) / 6.5;
      c.strokeStyle = this.colours[kSightColour[path[0]!.state]];
      c.beginPath();
      for (const flash of path) bow(c, this.layout, flash.by, flash.about);
      c.stroke();
    }
    c.globalAlpha = 1;
  }

  private draw_pulses(c: CanvasRenderingContext2D, now: number): void {
    this.pulses = this.pulses.filter((pulse) => now - pulse.begin < kPulseMs);
    c.lineWidth = 1.5;
    for (const pulse of this.pulses) {
      if (pulse.begin > now || pulse.node >= this.layout.x.length) continue;
      const part = (now - pulse.begin) / kPulseMs;
      c.globalAlpha = 1 - part;
      c.strokeStyle = this.colours[pulse.run === "dead" ? "bad" : pulse.run === "paused" ? "paused" : "ok"];
      c.beginPath();
      c.arc(this.layout.x[pulse.node]!, this.layout.y[pulse.node]!, this.layout.dot + 14 * part, 0, 2 * Math.PI);
      c.stroke();
    }
    c.globalAlpha = 1;
  }

  // Whether it still moves.
  private draw_trace(c: CanvasRenderingContext2D, now: number): boolean {
    const trace = this.trace;
    if (!trace) return false;
    const known = this.layout.x.length;
    if (trace.target !== null) {
      const [x, y] = this.layout.at(trace.target, this.layout.radius + 12);
      c.strokeStyle = this.colours.accent;
      c.lineWidth = 2;
      c.beginPath();
      c.arc(x, y, 6, 0, 2 * Math.PI);
      c.moveTo(x - 9, y);
      c.lineTo(x + 9, y);
      c.moveTo(x, y - 9);
      c.lineTo(x, y + 9);
      c.stroke();
    }
    if (trace.from < known) {
      c.strokeStyle = this.colours.accent;
      c.lineWidth = 2.5;
      c.beginPath();
      c.arc(this.layout.x[trace.from]!, this.layout.y[trace.from]!, this.layout.dot + 3, 0, 2 * Math.PI);
      c.stroke();
    }
    for (const arrow of trace.arrows) {
      if (arrow.from >= known || arrow.to >= known) continue;
      const part = Math.min(1, (now - trace.begin - arrow.at) / kHopMs);
      if (part <= 0) continue;
      c.globalAlpha = part < 1 ? 1 : 0.75;
      c.strokeStyle = c.fillStyle = arrow.answered ? this.colours.accent : this.colours.bad;
      c.lineWidth = part < 1 ? 2.4 : 1.5;
      c.beginPath();
      const [bx, by] = bow(c, this.layout, arrow.from, arrow.to);
      const { x, y } = this.layout;
      // The dash is as long as what is drawn so far; longer than any such curve when done.
      const length = 2.2 * this.layout.radius;
      c.setLineDash(part < 1 ? [length * part, 4 * length] : arrow.answered ? [] : [4, 4]);
      c.stroke();
      c.setLineDash([]);
      if (part < 1) continue;
      const turn = Math.atan2(y[arrow.to]! - by, x[arrow.to]! - bx);
      const tip = this.layout.dot + 2;
      const px = x[arrow.to]! - tip * Math.cos(turn);
      const py = y[arrow.to]! - tip * Math.sin(turn);
      c.beginPath();
      c.moveTo(px, py);
      c.lineTo(px - 9 * Math.cos(turn - 0.4), py - 9 * Math.sin(turn - 0.4));
      c.lineTo(px - 9 * Math.cos(turn + 0.4), py - 9 * Math.sin(turn + 0.4));
      c.fill();
    }
    c.globalAlpha = 1;
    return now < trace.end;
  }

  private draw_marks(c: CanvasRenderingContext2D): void {
    const mark = (i: number | null, colour: string, name: boolean) => {
      const node = i === null ? undefined : this.nodes[i];
      if (i === null || !node || i >= this.layout.x.length) return;
      draw_mark(c, this.layout, this.colours, i, colour, name ? node.name : null);
    };
    if (this.hovered !== this.selected) mark(this.hovered, this.colours.dim, false);
    mark(this.selected, this.colours.text, true);
  }
}
