// The mesh as one node sees it, on a canvas: members at their ids in the colour of their states, a line from this node to each contact of
// its routing table, and a flash where an event tells of a member.
//
// A frame is drawn when something changed or while a flash fades; kFlashes are alive at most.
import { Layout } from "../layout";
import { palette } from "../shared";
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

export class Ring {
  readonly layout = new Layout();
  private readonly context: CanvasRenderingContext2D;
  private readonly calm = matchMedia("(prefers-reduced-motion: reduce)");
  private spots: Spot[] = [];
  private at = new Map<string, number>();
  private self: string | null = null;
  private big = "";
  private small = "";
  private selected: number | null = null;
  private hovered: number | null = null;
  private flashes: Flash[] = [];
  private colours!: Colours;
  private asked = 0;
  private width = 0;
  private height = 0;

  constructor(private readonly canvas: HTMLCanvasElement) {
    this.context = canvas.getContext("2d")!;
    this.repaint();
  }

  // After a change of the theme.
  repaint(): void {
    this.colours = palette(...kNames);
    this.ask();
  }

  resize(width: number, height: number): void {
    this.width = width;
    this.height = height;
    const scale = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    this.ask();
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

  hover(i: number | null): void {
    if (i === this.hovered) return;
    this.hovered = i;
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

  private ask(): void {
    if (!this.asked) this.asked = requestAnimationFrame(() => this.frame());
  }

  private frame(): void {
    this.asked = 0;
    if (!this.width || !this.height) return;
    this.layout.update(this.spots, this.width, this.height);
    const now = performance.now();
    this.flashes = this.flashes.filter((flash) => now - flash.begin < kFlashMs);
    const c = this.context;
    const scale = window.devicePixelRatio || 1;
    c.setTransform(scale, 0, 0, scale, 0, 0);
    c.clearRect(0, 0, this.width, this.height);
    this.draw_circle(c);
    this.draw_contacts(c);
    this.draw_flashes(c, now);
    this.draw_words(c);
    this.draw_spots(c);
    this.draw_marks(c);
    if (this.flashes.length) this.ask();
  }

  private draw_circle(c: CanvasRenderingContext2D): void {
    const { cx, cy, radius } = this.layout;
    c.strokeStyle = this.colours.line;
    c.lineWidth = 1;
    c.beginPath();
    c.arc(cx, cy, radius + 12, 0, 2 * Math.PI);
    for (let tick = 0; tick < 16; tick++) {
      const angle = (tick * Math.PI) / 8;
      c.moveTo(...this.layout.at(angle, radius + 12));
      c.lineTo(...this.layout.at(angle, radius + (tick % 4 ? 16 : 20)));
    }
    c.stroke();
  }

  // From this node to spot i, bent to the middle, so that lines between neighbours do not hide behind others.
  private bow(c: CanvasRenderingContext2D, i: number): void {
    const from = this.self === null ? undefined : this.at.get(this.self);
    if (from === undefined || from === i) return;
    const { x, y, cx, cy } = this.layout;
    const mx = (x[from]! + x[i]!) / 2;
    const my = (y[from]! + y[i]!) / 2;
    c.moveTo(x[from]!, y[from]!);
    c.quadraticCurveTo(mx + (cx - mx) * 0.45, my + (cy - my) * 0.45, x[i]!, y[i]!);
  }

  private draw_contacts(c: CanvasRenderingContext2D): void {
    c.strokeStyle = this.colours.accent;
    c.lineWidth = 1;
    c.globalAlpha = 0.35;
    c.beginPath();
    this.spots.forEach((spot, i) => spot.contact && this.bow(c, i));
    c.stroke();
    c.globalAlpha = 1;
    for (const i of [this.hovered, this.selected]) {
      if (i === null || !this.spots[i]?.contact) continue;
      c.lineWidth = 2;
      c.beginPath();
      this.bow(c, i);
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
      this.bow(c, i);
      c.stroke();
      c.beginPath();
      c.arc(this.layout.x[i]!, this.layout.y[i]!, this.layout.dot + 16 * part, 0, 2 * Math.PI);
      c.stroke();
    }
    c.globalAlpha = 1;
  }

  // With a rim so that they can be read over lines.
  private draw_words(c: CanvasRenderingContext2D): void {
    const { cx, cy, radius } = this.layout;
    c.textAlign = "center";
    c.textBaseline = "middle";
    c.lineJoin = "round";
    c.lineWidth = 6;
    c.strokeStyle = this.colours.panel;
    const word = (text: string, y: number, font: string, colour: string) => {
      c.font = font;
      c.strokeText(text, cx, y);
      c.fillStyle = colour;
      c.fillText(text, cx, y);
    };
    word(this.big, cy - radius * 0.06, `600 ${Math.round(Math.min(64, radius / 3.4))}px system-ui, sans-serif`, this.colours.text);
    word(this.small, cy + radius * 0.14, `${Math.round(Math.max(11, Math.min(15, radius / 15)))}px system-ui, sans-serif`, this.colours.dim);
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
    const { cx, cy, dot } = this.layout;
    const x = this.layout.x[i]!;
    const y = this.layout.y[i]!;
    c.strokeStyle = colour;
    c.lineWidth = 2;
    c.beginPath();
    c.arc(x, y, dot + 4.5, 0, 2 * Math.PI);
    c.stroke();
    if (!named) return;
    const far = Math.hypot(x - cx, y - cy) || 1;
    const back = dot + 26;
    c.font = "600 12px system-ui, sans-serif";
    c.textAlign = "center";
    c.textBaseline = "middle";
    c.lineWidth = 4;
    c.lineJoin = "round";
    c.strokeStyle = this.colours.panel;
    const tx = x - ((x - cx) / far) * back;
    const ty = y - ((y - cy) / far) * back;
    c.strokeText(spot.name, tx, ty);
    c.fillStyle = this.colours.text;
    c.fillText(spot.name, tx, ty);
  }
}
