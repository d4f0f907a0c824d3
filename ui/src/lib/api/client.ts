import { ApiFailure } from "./failure";
import type { paths } from "./schema";

/**
 * The one way to the admin API. Paths, bodies and answers are checked against the generated
 * types. Bodies are strings only: a Blob or a form with a File through a custom scheme crashes
 * the desktop window.
 */

type Method = "get" | "put" | "post" | "delete";
type Operation<P extends keyof paths, M extends Method> = M extends keyof paths[P] ? paths[P][M] : undefined;
type PathWith<M extends Method> = {
  [P in keyof paths]: Operation<P, M> extends undefined ? never : P;
}[keyof paths];
type Content<R> = R extends { content: { "application/json": infer A } } ? A : undefined;
type AnswerOf<O> = O extends { responses: { 200: infer R } }
  ? Content<R>
  : O extends { responses: { 201: infer R } }
    ? Content<R>
    : undefined;
type BodyOf<O> = O extends { requestBody: { content: { "application/json": infer B } } } ? B : undefined;
type QueryOf<O> = O extends { parameters: { query: infer Q } | { query?: infer Q } } ? Q : undefined;

interface Options<Q = undefined> {
  /** Values for the `{…}` parts of the path. */
  at?: Record<string, string>;
  query?: Q;
}

/** No admin call takes longer; a keychain that asks for its password may take this long. */
const TIMEOUT_MS = 60_000;

export interface Gate {
  /** The admin token; `null` in the desktop window, which needs none. */
  token(): string | null;
  /** The API refused the token. */
  refused(): void;
}

export class Client {
  readonly #gate: Gate;

  constructor(gate: Gate) {
    this.#gate = gate;
  }

  get<P extends PathWith<"get">>(path: P, options: Options<QueryOf<Operation<P, "get">>> = {}) {
    return this.#call<AnswerOf<Operation<P, "get">>>("GET", path, options);
  }

  put<P extends PathWith<"put">>(path: P, body: BodyOf<Operation<P, "put">>, options: Options = {}) {
    return this.#call<AnswerOf<Operation<P, "put">>>("PUT", path, options, body);
  }

  post<P extends PathWith<"post">>(path: P, body?: BodyOf<Operation<P, "post">>, options: Options = {}) {
    return this.#call<AnswerOf<Operation<P, "post">>>("POST", path, options, body);
  }

  delete<P extends PathWith<"delete">>(path: P, options: Options<QueryOf<Operation<P, "delete">>> = {}) {
    return this.#call<AnswerOf<Operation<P, "delete">>>("DELETE", path, options);
  }

  /** The live event stream, for `$lib/live/browser`. */
  stream(signal: AbortSignal): Promise<Response> {
    return this.#send("/zos/v1/events", { method: "GET", headers: { accept: "text/event-stream" }, signal });
  }

  async #call<A>(method: string, path: string, options: Options<unknown>, body?: unknown): Promise<A> {
    const headers: Record<string, string> = { accept: "application/json" };
    if (body !== undefined) headers["content-type"] = "application/json";
    const answer = await this.#send(address(path, options), {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return (await read(answer)) as A;
  }

  /** Sends one request; anything but success is thrown as an [`ApiFailure`]. */
  async #send(
    url: string,
    init: { method: string; headers: Record<string, string>; body?: string; signal: AbortSignal },
  ): Promise<Response> {
    const token = this.#gate.token();
    if (token !== null) init.headers["authorization"] = `Bearer ${token}`;
    let answer: Response;
    try {
      answer = await fetch(url, { ...init, cache: "no-store", credentials: "omit", redirect: "error" });
    } catch {
      throw ApiFailure.unreachable();
    }
    if (answer.ok) return answer;
    if (answer.status === 401) this.#gate.refused();
    throw ApiFailure.read(answer.status, await read(answer).catch(() => null));
  }
}

function address(path: string, { at = {}, query }: Options<unknown>): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(at[name] ?? ""));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== "") search.set(name, String(value));
  }
  return search.size > 0 ? `${filled}?${search}` : filled;
}

async function read(answer: Response): Promise<unknown> {
  if (answer.status === 204) return undefined;
  let text: string;
  try {
    text = await answer.text();
  } catch {
    throw ApiFailure.unreachable();
  }
  if (text === "") return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw ApiFailure.garbled(answer.status);
  }
}
