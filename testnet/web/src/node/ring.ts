// The mesh as one node sees it, on a canvas: members at their ids in the colour of their states, a line from this node to each contact of
// its routing table, and a flash where an event tells of a member.
//
// A frame is drawn when something changed or while a flash fades; kFlashes are alive at most.
import { Layout } from "../layout";
import { Picture } from "../picture";
import { bow, draw_circle, draw_mark, draw_words } from "../ringparts";
import { Event, MemberState, Spot } from "./data";

const kFlashes = 100;
const kFlashMs = 1200;

const kNames = ["ok", "warn", "bad", "left", "dim", "text", "accent", "line", "panel"] as const;
type Colours = Record<(typeof kNames)[number], string>;
const kStateColour: Record<Spot["state"], keyof Colours> = { alive: "ok", suspect: "warn", failed: "bad", left: "left", contact: "dim" };

interface Flash {
  id: string;
  state: MemberState;
  begin: number;
}

export class Ring extends Picture<keyof Colours> {
  readonly layout = new Layout();
  private spots: Spot[] = [];
  private at = new Map<string, number>();
  private self: string | null = null;
  private big = "";
  private small = "";
  private flashes: Flash[] = [];

  constructor(canvas: HTMLCanvasElement) {
    super(canvas, kNames);
  }

  set(spots: Spot[], self: string | null, selected: string | null, big: string, small: string): void {
    if (spots !== this.spots) this.at = new Map(spots.map((spot, i) => [spot.id, i]));
    this.spots = spots;
    this.self = self;
    this.selected = selected === null ? null : (this.at.get(selected) ?? null);
    this.big = big;
    this.small = small;
    this.ask();
  }

  tell(events: Event[]): void {
    if (this.calm.matches) return;
    for (const event of events) {
      if (event.event !== "member" || !event.id || !event.to) continue;
      this.flashes.push({ id: event.id, state: event.to, begin: performance.now() });
    }
    this.flashes.splice(0, Math.max(0, this.flashes.length - kFlashes));
    this.ask();
  }

  protected override draw(c: CanvasRenderingContext2D, now: number): void {
    this.layout.update(this.spots, this.width, this.height);
    this.flashes = this.flashes.filter((flash) => now - flash.begin < kFlashMs);
    draw_circle(c, this.layout, this.colours.line);
    this.draw_contacts(c);
    this.draw_flashes(c, now);
    draw_words(c, this.layout, this.colours, this.big, this.small);
    this.draw_spots(c);
    this.draw_marks(c);
    if (this.flashes.length) this.ask();
  }

  // From this node to spot i.
  private line_to(c: CanvasRenderingContext2D, i: number): void {
    const from = this.self === null ? undefined : this.at.get(this.self);
    if (from === undefined || from === i) return;
    bow(c, this.layout, from, i);
  }

  private draw_contacts(c: CanvasRenderingContext2D): void {
    c.strokeStyle = this.colours.accent;
    c.lineWidth = 1;
    c.globalAlpha = 0.35;
    c.beginPath();
    this.spots.forEach((spot, i) => spot.contact && this.line_to(c, i));
    c.stroke();
    c.globalAlpha = 1;
    for (const i of [this.hovered, this.selected]) {
      if (i === null || !this.spots[i]?.contact) continue;
      c.lineWidth = 2;
      c.beginPath();
      this.line_to(c, i);
      c.stroke();
    }
  }

  private draw_flashes(c: CanvasRenderingContext2D, now: number): void {
    for (const flash of this.flashes) {
      const i = this.at.get(flash.id);
      if (i === undefined) continue;
      const part = (now - flash.begin) / kFlashMs;
      c.globalAlpha = 1 - part;
      c.strokeStyle = this.colours[kStateColour[flash.state]];
      c.lineWidth = 2;
      c.beginPath();
      this.line_to(c, i);
      c.stroke();
      c.beginPath();
      c.arc(this.layout.x[i]!, this.layout.y[i]!, this.layout.dot + 16 * part, 0, 2 * Math.PI);
      c.stroke();
    }
    c.globalAlpha = 1;
  }

  private draw_spots(c: CanvasRenderingContext2D): void {
    const { x, y, dot } = this.layout;
    // What matters most last, so that it lies on top. One path for each state: a fill for a thousand arcs costs as much as for one.
    for (const state of ["contact", "left", "alive", "suspect", "failed"] as const) {
      const hollow = state === "contact" || state === "left";
      const r = hollow ? dot - 0.6 : dot;
      c.beginPath();
      this.spots.forEach((spot, i) => {
        if (spot.state !== state) return;
        c.moveTo(x[i]! + r, y[i]!);
        c.arc(x[i]!, y[i]!, r, 0, 2 * Math.PI);
      });
      c.fillStyle = hollow ? this.colours.panel : this.colours[kStateColour[state]];
      c.fill();
      if (!hollow) continue;
      c.strokeStyle = this.colours[kStateColour[state]];
      c.lineWidth = 1.5;
      c.stroke();
    }
  }

  private draw_marks(c: CanvasRenderingContext2D): void {
    const own = this.self === null ? null : (this.at.get(this.self) ?? null);
    this.mark(c, own, this.colours.accent, this.selected === null || this.selected === own);
    if (this.hovered !== this.selected) this.mark(c, this.hovered, this.colours.dim, false);
    if (this.selected !== own) this.mark(c, this.selected, this.colours.text, true);
  }

  private mark(c: CanvasRenderingContext2D, i: number | null, colour: string, named: boolean): void {
    const spot = i === null ? undefined : this.spots[i];
    if (i === null || !spot) return;
    draw_mark(c, this.layout, this.colours, i, colour, named ? spot.name : null);
  }
}
