import { fromCbor, toCbor } from "./cbor.js";
import { type Problem, EncryptedInferenceError, aborted, checkAborted, fromProblem } from "./errors.js";

/** How a server is reached. */
export interface Transport {
  url: string;
  token?: string;
  fetch: typeof fetch;
}

/** A request to a server. */
export interface Call {
  method: "GET" | "POST" | "PUT" | "DELETE";
  path: string;
  /** Sent as CBOR; byte arrays as they are. */
  body?: object | Uint8Array<ArrayBuffer>;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

/** What a server answered. */
export interface Answer<T> {
  status: number;
  body: T;
  /** Bytes of the bodies. */
  sent: number;
  received: number;
}

const ATTEMPTS = 5;
const FIRST_WAIT = 250;
const LONGEST_WAIT = 30_000;

/**
 * Sends a request, again after failures of the network and after problems that the server calls
 * retryable. Every request of this package can be repeated: those that change something carry an
 * `Idempotency-Key` or are a `PUT` of the same bytes.
 */
export async function send<T>(transport: Transport, call: Call): Promise<Answer<T>> {
  for (let attempt = 1; ; attempt += 1) {
    checkAborted(call.signal);
    try {
      return await sendOnce<T>(transport, call);
    } catch (error) {
      const failure = error as EncryptedInferenceError & { retryAfter?: number };
      if (!failure.retryable || attempt === ATTEMPTS) throw failure;
      const backoff = FIRST_WAIT * 2 ** (attempt - 1);
      await pause(Math.min(failure.retryAfter ?? backoff, LONGEST_WAIT), call.signal);
    }
  }
}

async function sendOnce<T>(transport: Transport, call: Call): Promise<Answer<T>> {
  const { method, path, signal } = call;
  const raw = call.body instanceof Uint8Array;
  const body = call.body === undefined ? undefined : raw ? (call.body as Uint8Array<ArrayBuffer>) : toCbor(call.body);
  const headers: Record<string, string> = { accept: "application/cbor", ...call.headers };
  if (body) headers["content-type"] = raw ? "application/octet-stream" : "application/cbor";
  if (transport.token) headers["authorization"] = `Bearer ${transport.token}`;
  const request: RequestInit = { method, headers, cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer" };
  if (body) request.body = body;
  if (signal) request.signal = signal;

  let response: Response;
  let received: Uint8Array;
  try {
    response = await transport.fetch(transport.url + path, request);
    received = new Uint8Array(await response.arrayBuffer());
  } catch (cause) {
    if (signal?.aborted) throw aborted(signal);
    const message = `${method} ${path}: the server cannot be reached`;
    throw new EncryptedInferenceError("NETWORK", message, true, undefined, { cause });
  }
  const answer = read(response, received, `${method} ${path}`);
  if (!response.ok) {
    const error = isProblem(answer) ? fromProblem(answer) : unexpected(response, `${method} ${path}`);
    const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
    throw Number.isFinite(seconds) ? Object.assign(error, { retryAfter: seconds * 1000 }) : error;
  }
  return { status: response.status, body: answer as T, sent: body?.length ?? 0, received: received.length };
}

function read(response: Response, bytes: Uint8Array, what: string): unknown {
  if (bytes.length === 0) return undefined;
  const type = response.headers.get("content-type")?.split(";")[0]?.trim();
  try {
    if (type === "application/cbor") return fromCbor(bytes);
    if (type === "application/json" || type === "application/problem+json") {
      return JSON.parse(new TextDecoder().decode(bytes));
    }
  } catch (cause) {
    const message = `${what}: the answer is not well-formed ${type}`;
    throw new EncryptedInferenceError("UNEXPECTED_ANSWER", message, false, undefined, { cause });
  }
  if (!response.ok) return undefined;
  throw unexpected(response, what);
}

function unexpected(response: Response, what: string): EncryptedInferenceError {
  const found = `${response.status} ${response.headers.get("content-type") ?? "without a type"}`;
  const message = `${what}: expected an answer of the encrypted-inference protocol, found ${found}`;
  // What stands between client and server answers so when the server is away.
  return new EncryptedInferenceError("UNEXPECTED_ANSWER", message, response.status >= 502 && response.status <= 504);
}

function isProblem(value: unknown): value is Problem {
  const problem = value as Partial<Problem> | undefined;
  return typeof problem?.code === "string" && typeof problem.detail === "string" && typeof problem.status === "number";
}

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const give_up = (): void => {
      clearTimeout(timer);
      reject(aborted(signal as AbortSignal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", give_up);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", give_up, { once: true });
  });
}
