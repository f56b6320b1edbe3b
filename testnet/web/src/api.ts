// Requests to the server. Every failure is an ApiError with a text that can be shown.
//
// The write token comes in the address's fragment, which no server sees; it moves to sessionStorage so that it does not stay in the
// address line or the history.
import { ranges } from "./data";

const kKept = "weft-token";
const kTimeout = 60_000;
// What is asked for and when it was need no telling: they are this and now.
const kUntold = new Set(["do", "at_ms", "wall_ms"]);

export class ApiError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

function take_token(): string {
  const hash = location.hash.slice(1);
  try {
    if (hash) {
      sessionStorage.setItem(kKept, hash);
      history.replaceState(null, "", location.pathname + location.search);
    }
    return sessionStorage.getItem(kKept) ?? hash;
  } catch {
    return hash;
  }
}

export const token = take_token();

async function ask(path: string, init: RequestInit): Promise<{ answer: Response; text: string }> {
  let answer: Response;
  try {
    answer = await fetch(path, { ...init, cache: "no-store", signal: AbortSignal.timeout(kTimeout) });
  } catch (error) {
    const late = error instanceof DOMException && error.name === "TimeoutError";
    throw new ApiError(late ? "timed_out" : "unreachable", late ? "no answer in a minute" : "the testnet does not answer");
  }
  const text = await answer.text();
  if (!answer.ok) throw failure_of(parsed(text), answer) ?? new ApiError(String(answer.status), answer.statusText || "failed");
  return { answer, text };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function failure_of(body: unknown, answer: Response): ApiError | null {
  const failure = (body as { error?: { code?: unknown; message?: unknown } } | null | undefined)?.error;
  if (!failure) return null;
  return new ApiError(String(failure.code ?? answer.status), String(failure.message ?? (answer.statusText || "failed")));
}

async function request(path: string, init: RequestInit): Promise<unknown> {
  const { answer, text } = await ask(path, init);
  const body = parsed(text);
  if (body === undefined) throw new ApiError("bad_answer", "an answer that is no JSON");
  const failure = failure_of(body, answer);
  if (failure) throw failure;
  return body;
}

export function read(path: string): Promise<unknown> {
  return request(path, {});
}

// An answer of JSON lines. What is no JSON is left out: a line may be cut at the end of an answer.
export async function read_lines(path: string): Promise<unknown[]> {
  const { text } = await ask(path, {});
  return text
    .split("\n")
    .map(parsed)
    .filter((line) => line !== undefined);
}

export function write(path: string, body: object): Promise<unknown> {
  return request(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Weft-Token": token },
    body: JSON.stringify(body),
  });
}

export function act(body: object): Promise<unknown> {
  return write("/v1/testnet/do", body);
}

export interface Sights {
  n: number;
  rows: string[];
}

export function sights(): Promise<Sights> {
  return read("/v1/testnet/sights") as Promise<Sights>;
}

export interface Namespace {
  namespace: string;
  id: string;
  entries: number;
}

export function namespaces(i: number): Promise<Namespace[]> {
  return read(`/v1/testnet/nodes/${i}/namespaces`) as Promise<Namespace[]>;
}

// What nodes say of their broadcast links: eager ones carry messages, lazy ones announce them; a home link is of the tree in which it began.
export interface TreeLink {
  i: number;
  home: boolean;
  rtt_ms: number | null;
}

export interface TreeNode {
  i: number;
  root: boolean;
  eager: TreeLink[];
  lazy: TreeLink[];
}

export interface TreeAnswer {
  namespace: string;
  nodes: TreeNode[];
}

export function tree_of(space: string): Promise<TreeAnswer> {
  return read(`/v1/testnet/tree?space=${encodeURIComponent(space)}`) as Promise<TreeAnswer>;
}

export type FlowKind = "membership" | "lookup" | "value" | "state" | "other";

// Messages that were sent since a cursor: when on the testnet's clock, from and to which node, of what kind, how many bytes.
export interface FlowAnswer {
  cursor: number;
  left_out: number;
  t_ms: number;
  messages: [t_ms: number, from: number, to: number, kind: FlowKind, bytes: number][];
}

// null: from now on.
export function flow_after(cursor: number | null): Promise<FlowAnswer> {
  return read(`/v1/testnet/flow${cursor === null ? "" : `?after=${cursor}`}`) as Promise<FlowAnswer>;
}

export interface Step {
  id: string;
  address?: string;
  named_by?: string | null;
  hop?: number;
  at_ms?: number;
  rtt_ms?: number | null;
  contacts?: number;
}

export interface Lookup {
  target?: string;
  closest?: { id: string; address?: string }[];
  steps?: Step[];
  hops?: number;
  queries?: number;
  elapsed_ms?: number;
}

export function error_text(error: unknown): string {
  return error instanceof ApiError ? `${error.message} (${error.code})` : String(error);
}

// Indices of nodes, or of objects that name one; null for any other list.
function indices_of(list: unknown[]): number[] | null {
  const all = list.map((each) => (typeof each === "object" && each !== null ? (each as { index?: unknown }).index : each));
  return all.length && all.every(Number.isInteger) ? (all as number[]).sort((a, b) => a - b) : null;
}

function nodes_text(indices: number[]): string {
  const text = ranges(indices).replaceAll(",", ", ");
  return `${indices.length} (${text.length > 60 ? `${text.slice(0, text.lastIndexOf(",", 60))}, …` : text})`;
}

// An answer in one line: names and plain values, lists by their beginning.
export function answer_text(value: unknown, depth = 0): string {
  if (value === null || value === undefined) return "none";
  if (Array.isArray(value)) {
    const indices = indices_of(value);
    if (indices) return nodes_text(indices);
    const shown = value.slice(0, 12).map((each) => answer_text(each, depth + 1));
    return value.length ? shown.join(", ") + (value.length > 12 ? `, … (${value.length})` : "") : "none";
  }
  if (typeof value === "object") {
    const told = Object.entries(value).filter(([name, each]) => !kUntold.has(name) && !(name === "skipped" && each === 0));
    const parts = told.map(([name, each]) => `${name.replaceAll("_", " ")} ${answer_text(each, depth + 1)}`);
    return depth > 1 ? `{${parts.join(", ")}}` : parts.join(" · ");
  }
  return typeof value === "number" && !Number.isInteger(value) ? value.toFixed(2) : String(value);
}
