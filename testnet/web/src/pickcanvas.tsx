// A picture as a part of the page: its canvas, which is chosen from with mouse and keys, the tooltip, and a line for screen readers.
//
// A place is known to the page by `Id`: the picture's indices may be others after an answer, and the tooltip must not change to another's.
import { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Picture } from "./picture";
import { Themed } from "./theme";

interface Props<P extends Picture<string>, Id> {
  make: (canvas: HTMLCanvasElement) => P;
  // Called once: gives the picture what it shows, now and when that changes; returns what ends it.
  follow: (picture: P) => () => void;
  ui: Themed;
  testid: string;
  label: string;
  id_of: (i: number) => Id | null;
  choose: (id: Id | null) => void;
  // What a key chooses; undefined: it is none of ours.
  key_of: (key: string, picture: P) => number | null | undefined;
  // What the tooltip says; null: nothing is there any more.
  tip: (id: Id) => ComponentChildren;
  // Who is chosen, for screen readers.
  spoken: string;
  // Over the canvas.
  children?: ComponentChildren;
}

export function PickCanvas<P extends Picture<string>, Id>(props: Props<P, Id>) {
  const { ui, testid, label, id_of, choose } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const picture = useRef<P | null>(null);
  const [tip, set_tip] = useState<{ id: Id; x: number; y: number } | null>(null);

  useEffect(() => {
    const element = canvas.current!;
    const made = props.make(element);
    picture.current = made;
    const observer = new ResizeObserver(() => made.resize(element.clientWidth, element.clientHeight));
    observer.observe(element);
    let light = ui.light();
    const themed = () => {
      if (light === ui.light()) return;
      light = ui.light();
      made.repaint();
    };
    const ends = [ui.subscribe(themed), props.follow(made), () => observer.disconnect()];
    return () => ends.forEach((end) => end());
  }, []);

  const name = (i: number | null | undefined): Id | null => (i === null || i === undefined ? null : id_of(i));
  const hit = (event: MouseEvent) => picture.current?.hit(event.offsetX, event.offsetY) ?? null;
  const move = (event: MouseEvent) => {
    const i = hit(event);
    const id = name(i);
    picture.current?.hover(i);
    set_tip(id === null ? null : { id, x: event.offsetX, y: event.offsetY });
  };
  const leave = () => {
    picture.current?.hover(null);
    set_tip(null);
  };
  const key = (event: KeyboardEvent) => {
    const to = picture.current ? props.key_of(event.key, picture.current) : undefined;
    if (to === undefined) return;
    event.preventDefault();
    choose(name(to));
  };
  const told = tip && props.tip(tip.id);
  return (
    <>
      <div class="ring-box">
        <canvas
          ref={canvas}
          data-testid={testid}
          tabIndex={0}
          role="application"
          aria-label={label}
          onClick={(event) => choose(name(hit(event)))}
          onMouseMove={move}
          onMouseLeave={leave}
          onKeyDown={key}
        />
        {props.children}
        {tip && told && (
          <div class="tip" style={{ left: `${tip.x}px`, top: `${tip.y}px` }}>
            {told}
          </div>
        )}
      </div>
      <p class="sr" aria-live="polite">
        {props.spoken}
      </p>
    </>
  );
}
