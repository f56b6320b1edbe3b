// Requests to the node's own HTTP listener, which are all reads. A failure is an Error with a text that can be shown.
//
// Bounds: an answer comes within kTimeoutMs; a stream has no end, but no line longer than kLineMax.

const kTimeoutMs = 5000;
const kLineMax = 1 << 20;

function text_of(failure: unknown): string {
  const late = failure instanceof DOMException && failure.name === "TimeoutError";
  return late ? `no answer in ${kTimeoutMs / 1000} s` : "the node does not answer";
}

async function checked(answer: Response): Promise<Response> {
  if (answer.ok) return answer;
  let message = `${answer.status} ${answer.statusText}`;
  try {
    const body = (await answer.json()) as { error?: { message?: unknown } };
    message = String(body.error?.message ?? message);
  } catch {
    // Then the status says it.
  }
  throw new Error(message);
}

async function ask(path: string): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(kTimeoutMs) });
  } catch (failure) {
    throw new Error(text_of(failure));
  }
  return checked(answer);
}

export async function read<T>(path: string): Promise<T> {
  return (await (await ask(path)).json()) as T;
}

export async function read_text(path: string): Promise<string> {
  return (await ask(path)).text();
}

// Lines as they come, those of one chunk together, until `signal` or the node ends it. `on_open` is called once the node has agreed.
export async function follow(path: string, signal: AbortSignal, on_open: () => void, on_lines: (lines: string[]) => void): Promise<void> {
  const answer = await checked(await fetch(path, { cache: "no-store", signal }));
  on_open();
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop()!;
    if (rest.length > kLineMax) throw new Error("a line without an end");
    const whole = lines.filter((line) => line !== "");
    if (whole.length) on_lines(whole);
  }
}

export function error_text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
