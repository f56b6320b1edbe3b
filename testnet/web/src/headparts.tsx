// What the heads of both pages are made of.
import { useEffect, useState } from "preact/hooks";
import { Theme } from "./shared";
import { Themed } from "./theme";

const kSpeak = 5000;

// What changes much is told to screen readers once in kSpeak at most. `words`: null while there is nothing to say.
export function Spoken({ words }: { words: () => string | null }) {
  const [text, set_text] = useState("");
  useEffect(() => {
    const timer = setInterval(() => {
      const said = words();
      if (said !== null) set_text(said);
    }, kSpeak);
    return () => clearInterval(timer);
  }, []);
  return (
    <p class="sr" aria-live="polite">
      {text}
    </p>
  );
}

export function Figure({ name, value, colour, testid }: { name: string; value: number | string; colour?: string; testid?: string }) {
  return (
    <div class="figure">
      <dt>{name}</dt>
      <dd class="num" data-testid={testid} style={colour ? { color: `var(--${colour})` } : undefined}>
        {value}
      </dd>
    </div>
  );
}

const kThemes: Theme[] = ["auto", "dark", "light"];

export function ThemeButton({ ui }: { ui: Themed }) {
  const next = kThemes[(kThemes.indexOf(ui.theme) + 1) % kThemes.length]!;
  return (
    <button class="quiet" aria-label={`Theme: ${ui.theme}. Change it`} onClick={() => ui.set_theme(next)}>
      {{ auto: "◐", dark: "●", light: "○" }[ui.theme]} {ui.theme}
    </button>
  );
}
