import { readBody } from "./body.js";
import { fromCbor, toCbor } from "./cbor.js";
import { type Problem, EncryptedInferenceError, aborted, checkAborted, fromProblem } from "./errors.js";
import { follow } from "./signals.js";
import type { Credentials } from "./token.js";

/** How a server is reached. */
export interface Transport {
  url: string;
  credentials: Credentials;
  fetch: typeof fetch;
  /** Milliseconds without an answer after which an attempt is given up. */
  timeout: number;
  /** Attempts after the first one. */
  retries: number;
  /** Bytes of a body that are read; a longer one is refused. */
  largestAnswer: number;
  /** The longest pause, in milliseconds, that a server can ask for and get. */
  maxRetryAfter: number;
}

/** A request to a server. */
export interface Call {
  method: "GET" | "POST" | "PUT" | "DELETE";
  path: string;
  /** Sent as CBOR; byte arrays as they are. */
  body?: object | Uint8Array<ArrayBuffer>;
  headers?: Record<string, string>;
  /** The answer may come from the browser's cache once the server has said that it is still the same. */
  revalidates?: boolean;
  signal?: AbortSignal | undefined;
}

/** What a server answered. */
export interface Answer<T> {
  status: number;
  body: T;
  /** Bytes of the bodies. */
  sent: number;
  received: number;
  /** Attempts that failed before this one. */
  retries: number;
}

/** First pause after a failure of the network, in milliseconds. It doubles each time. */
const FIRST_PAUSE = 250;
/** First pause after a problem that the server calls retryable, if the server does not say how long. */
const FIRST_PAUSE_OF_SERVER = 1000;
/** Longest pause of those that this package chooses. */
const LONGEST_PAUSE = 30_000;
/** What timers can count to, in milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;
/** The slowest line that an upload is given time for, in bytes a millisecond. */
const SLOWEST = 16;
/** What proxies and load balancers answer while the server is away. */
const AWAY = new Set([408, 425, 429, 502, 503, 504]);

/**
 * Sends a request, again after failures of the network and after problems that the server calls retryable.
 * Every request of this package can be repeated: those that change something carry an `Idempotency-Key`, or are
 * a `PUT` of the same bytes or a `DELETE`.
 */
export async function send<T>(transport: Transport, call: Call): Promise<Answer<T>> {
  const { credentials, retries, maxRetryAfter } = transport;
  let isRenewed = false;
  for (let attempt = 0; ; attempt += 1) {
    checkAborted(call.signal);
    const token = await credentials.token();
    try {
      return { ...(await sendOnce<T>(transport, call, token)), retries: attempt };
    } catch (error) {
      const failure = error as EncryptedInferenceError;
      if (failure.code === "UNAUTHORIZED" && !isRenewed && (await credentials.renew(token))) {
        isRenewed = true;
        continue;
      }
      if (!failure.retryable || attempt >= retries) throw failure;
      const first = failure.code === "NETWORK" ? FIRST_PAUSE : FIRST_PAUSE_OF_SERVER;
      // Clients that failed together do not come back together.
      const backoff = Math.min(first * 2 ** attempt * (1 + Math.random() / 2), LONGEST_PAUSE);
      if ((failure.retryAfter ?? 0) > maxRetryAfter) throw failure;
      await pause(failure.retryAfter ?? backoff, call.signal);
    }
  }
}

async function sendOnce<T>(transport: Transport, call: Call, token: string | undefined): Promise<Omit<Answer<T>, "retries">> {
  const { method, path, signal } = call;
  const raw = call.body instanceof Uint8Array;
  const body = call.body === undefined ? undefined : raw ? (call.body as Uint8Array<ArrayBuffer>) : toCbor(call.body);
  const headers: Record<string, string> = { accept: "application/cbor", ...call.headers };
  if (body) headers["content-type"] = raw ? "application/octet-stream" : "application/cbor";
  if (token) headers["authorization"] = `Bearer ${token}`;

  const what = `${method} ${path}`;
  const sent = body?.length ?? 0;
  const limit = timeLimit(transport.timeout + sent / SLOWEST, signal);
  let response: Response;
  let received: Uint8Array | undefined;
  try {
    response = await transport.fetch(transport.url + path, {
      method,
      headers,
      cache: call.revalidates ? "no-cache" : "no-store",
      credentials: "omit",
      referrerPolicy: "no-referrer",
      signal: limit.signal,
      ...(body && { body }),
    });
    received = await readBody(response, transport.largestAnswer);
  } catch (cause) {
    if (signal?.aborted) throw aborted(signal);
    const message = limit.signal.aborted ? `${what}: the server does not answer` : `${what}: the server cannot be reached`;
    throw new EncryptedInferenceError("NETWORK", message, { retryable: true, cause });
  } finally {
    limit.end();
  }
  if (!received) throw new EncryptedInferenceError("UNEXPECTED_ANSWER", `${what}: the answer is longer than ${transport.largestAnswer} bytes`);
  const answer = read(response, received, what);
  if (!response.ok) {
    const retryAfter = readRetryAfter(response.headers.get("retry-after"));
    throw isProblem(answer) ? fromProblem(answer, { retryAfter }) : unexpected(response, what, retryAfter);
  }
  return { status: response.status, body: answer as T, sent, received: received.length };
}

/** A signal that fires when the caller's does, or after a time. */
export function timeLimit(milliseconds: number, signal: AbortSignal | undefined): { signal: AbortSignal; end(): void } {
  const { controller, end } = follow(signal);
  const expire = (): void => controller.abort(new Error(`no answer within ${milliseconds} ms`));
  const timer = setTimeout(expire, Math.min(milliseconds, LONGEST_TIMER));
  return {
    signal: controller.signal,
    end() {
      clearTimeout(timer);
      end();
    },
  };
}

/** Seconds or a date (RFC 9110, section 10.2.3) in milliseconds from now. */
function readRetryAfter(text: string | null): number | undefined {
  if (text === null) return undefined;
  const seconds = Number(text);
  const milliseconds = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(milliseconds) ? Math.max(milliseconds, 0) : undefined;
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
    throw new EncryptedInferenceError("UNEXPECTED_ANSWER", `${what}: the answer is not well-formed ${type}`, { cause });
  }
  if (!response.ok) return undefined;
  throw unexpected(response, what, undefined);
}

function unexpected(response: Response, what: string, retryAfter: number | undefined): EncryptedInferenceError {
  const found = `${response.status} ${response.headers.get("content-type") ?? "without a type"}`;
  const message = `${what}: expected an answer of the encrypted-inference protocol, found ${found}`;
  return new EncryptedInferenceError("UNEXPECTED_ANSWER", message, { retryable: AWAY.has(response.status), retryAfter });
}

function isProblem(value: unknown): value is Problem {
  const problem = value as Partial<Problem> | undefined;
  return typeof problem?.code === "string" && typeof problem.detail === "string" && typeof problem.status === "number";
}

/** Waits, unless the caller gives up. */
export function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(aborted(signal));
    const giveUp = (): void => {
      clearTimeout(timer);
      reject(aborted(signal as AbortSignal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", giveUp);
      resolve();
    }, Math.min(milliseconds, LONGEST_TIMER));
    signal?.addEventListener("abort", giveUp, { once: true });
  });
}
