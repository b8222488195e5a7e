import { type ClientCode, type ServerCode, adviceFor } from "./advice.js";

export type { ClientCode, ServerCode } from "./advice.js";

/** An error as a server describes it (RFC 9457). */
export interface Problem {
  /** A URI that stands for the code. */
  type: string;
  title: string;
  /** The HTTP status. */
  status: number;
  code: string;
  /** What is wrong with this request, for people. */
  detail: string;
  /** Whether the same request can succeed later; after a job that failed, under another name. */
  retryable: boolean;
  /** What was wanted, if that can be said. */
  expected?: unknown;
  /** What came instead. */
  found?: unknown;
  /** Where in the body (RFC 6901). */
  pointer?: string;
}

/** A code of this package or of a server; a newer server can have others. */
export type ErrorCode = ClientCode | ServerCode | (string & {});

/** What an error is made from, beside its code and what happened. */
export interface ErrorDetails {
  retryable?: boolean;
  problem?: Problem;
  cause?: unknown;
  /** Milliseconds that a server asked to wait. */
  retryAfter?: number | undefined;
  /** The job that failed. */
  jobId?: string;
  /** What the caller can do, where that is not what the code says. */
  advice?: string;
}

/**
 * Every error that this package throws. `code` is stable and meant for programs; the message says what happened
 * and, where something can be done about it, what.
 *
 * @example
 * ```js
 * try {
 *   await model.predict(pixels);
 * } catch (error) {
 *   if (error.code === "ABORTED") return;
 *   show(error.message);
 *   if (error.retryable) offerToTryAgain();
 * }
 * ```
 */
export class EncryptedInferenceError extends Error {
  override readonly name = "EncryptedInferenceError";
  /** Whether the same call can succeed later. */
  readonly retryable: boolean;
  /** What the server said, if it did. */
  readonly problem: Problem | undefined;
  /** What the caller can do; the end of the message. Empty if there is nothing to say. */
  readonly advice: string;
  /** Milliseconds that the server asked to wait before another attempt, if it did. */
  readonly retryAfter: number | undefined;
  /** The job on the server that failed, if one did; its operator finds it by this name. */
  readonly jobId: string | undefined;

  /** @internal */
  constructor(
    /** A code of this package or of the server's table of errors. */
    readonly code: ErrorCode,
    happened: string,
    details: ErrorDetails = {},
  ) {
    const { retryable = false, problem, cause, retryAfter, jobId, advice = adviceFor(code) } = details;
    const sentence = /[.!?]$/.test(happened) ? happened : `${happened}.`;
    super(advice ? `${sentence} ${advice}` : sentence, cause === undefined ? undefined : { cause });
    this.retryable = retryable;
    this.problem = problem;
    this.advice = advice;
    this.retryAfter = retryAfter;
    this.jobId = jobId;
  }

  /** The HTTP status, if a server answered. */
  get status(): number | undefined {
    return this.problem?.status;
  }
}

/** The error of a problem that a server described. */
export function fromProblem(problem: Problem, details: Pick<ErrorDetails, "retryAfter" | "jobId">): EncryptedInferenceError {
  const { code, detail, retryable } = problem;
  return new EncryptedInferenceError(code, detail, { ...details, retryable, problem });
}

/** The error of something thrown by the WebAssembly module, the worker, or the platform. */
export function fromThrown(thrown: unknown, code: ClientCode): EncryptedInferenceError {
  if (thrown instanceof EncryptedInferenceError) return thrown;
  const known = thrown instanceof Error && "code" in thrown && typeof thrown.code === "string";
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new EncryptedInferenceError(known ? String(thrown.code) : code, message, { cause: thrown });
}

/** Throws if the caller has given up. */
export function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw aborted(signal);
}

/** The error of a caller that has given up. */
export function aborted(signal: AbortSignal): EncryptedInferenceError {
  return new EncryptedInferenceError("ABORTED", "The caller has given up", { cause: signal.reason });
}
