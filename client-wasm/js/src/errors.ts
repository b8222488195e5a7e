/** An error as a server describes it (RFC 9457). */
export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
  retryable: boolean;
  expected?: unknown;
  found?: unknown;
  pointer?: string;
}

/** What this package itself can find wrong; a server's codes are added to these. */
export type ClientCode =
  | "NETWORK"
  | "ABORTED"
  | "UNEXPECTED_ANSWER"
  | "WORKER"
  | "CLOSED"
  | "UNKNOWN_MODEL"
  | "INPUT_DIMENSION"
  | "INPUT_VALUE"
  | "UNACCEPTABLE_PARAMETERS"
  | "PARAMS_ID_MISMATCH"
  | "INVALID_MODEL"
  | "INVALID_BYTES"
  | "INVALID_RESULT"
  | "NO_RANDOMNESS";

/** Every error that this package throws. `code` is stable; the message is for people. */
export class EncryptedInferenceError extends Error {
  override readonly name = "EncryptedInferenceError";

  constructor(
    /** A `ClientCode`, or a code of the server's table of errors. */
    readonly code: ClientCode | (string & {}),
    message: string,
    /** Whether the same call can succeed later. */
    readonly retryable = false,
    /** What the server said, if it did. */
    readonly problem?: Problem,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** The HTTP status, if a server answered. */
  get status(): number | undefined {
    return this.problem?.status;
  }
}

/** The error of a problem that a server described. */
export function fromProblem(problem: Problem): EncryptedInferenceError {
  return new EncryptedInferenceError(problem.code, problem.detail, problem.retryable, problem);
}

/** The error of something thrown by the WebAssembly module, the worker, or the platform. */
export function fromThrown(thrown: unknown, code: ClientCode): EncryptedInferenceError {
  if (thrown instanceof EncryptedInferenceError) return thrown;
  const known = thrown instanceof Error && "code" in thrown && typeof thrown.code === "string";
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new EncryptedInferenceError(known ? String(thrown.code) : code, message, false, undefined, { cause: thrown });
}

/** Throws if the caller has given up. */
export function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw aborted(signal);
}

/** The error of a caller that has given up. */
export function aborted(signal: AbortSignal): EncryptedInferenceError {
  return new EncryptedInferenceError("ABORTED", "the caller has given up", false, undefined, { cause: signal.reason });
}
