import { type InputBundle, packOutput } from "./bundle.js";
import { EncryptedInferenceError, type Problem, aborted, fromProblem } from "./errors.js";
import { type Answer, type Transport, pause, send, timeLimit } from "./http.js";
import { isIdentifier } from "./identifier.js";

/** Seconds that the server is asked to wait for a job in one request. */
const WAIT = 20;
/** Milliseconds after which a job without another deadline is given up. */
const LONGEST = 3_600_000;
/** Milliseconds from one look at a job to the next, where the server does not wait: they grow from the first to the last. */
const LOOKS = { first: 50, growth: 1.5, last: 5_000 };
/** Milliseconds before a job that failed is asked for again. */
const PAUSE_AFTER_FAILURE = 1_000;

interface Job {
  job_id: string;
  result?: { model_id?: unknown; version?: unknown; payload: unknown };
  error?: Problem;
}

/** What an inference may take. */
export interface InferOptions {
  /** Gives up, and tells the server so. */
  signal?: AbortSignal;
  /**
   * Milliseconds from sending to the answer. It is sent along, so that the server does not compute what nobody waits
   * for. Without one, a job is given up after an hour.
   */
  deadline?: number;
}

/** What a server gave for an encrypted input. */
export interface Inferred {
  /** Names the job on the server. */
  jobId: string;
  payload: Uint8Array;
  /** Bytes of the bodies of request and answer. */
  bytes: { request: number; response: number };
  /** Requests that had to be sent again. */
  retries: number;
}

/** An encrypted output, as a server gave it. Only the holder of the secret key can read it. */
export interface EncryptedOutput extends Omit<Inferred, "payload"> {
  /** For `model.decrypt`, in another program even: the ciphertext, and the name of the key that it is for. */
  output: Uint8Array<ArrayBuffer>;
}

/** Has a server evaluate a model on an encrypted input. */
export async function infer(transport: Transport, input: InputBundle, options: InferOptions): Promise<Inferred> {
  const { signal, deadline = LONGEST } = options;
  const late = (cause?: unknown): EncryptedInferenceError =>
    new EncryptedInferenceError("DEADLINE_EXCEEDED", `There is no answer after ${deadline} ms`, { retryable: true, cause });
  if (!(deadline > 0)) throw late();
  const limit = timeLimit(deadline, signal);
  let jobId: string | undefined;
  try {
    return await inferWithin(transport, input, options.deadline, limit.signal, (id) => (jobId = id));
  } catch (error) {
    if (!limit.signal.aborted || (error as EncryptedInferenceError).code !== "ABORTED") throw error;
    if (jobId !== undefined) cancel(transport, jobId);
    throw signal?.aborted ? aborted(signal) : late(error);
  } finally {
    limit.end();
  }
}

async function inferWithin(
  transport: Transport,
  { model_id, version, key_id, request, payloads, samples }: InputBundle,
  deadline: number | undefined,
  signal: AbortSignal,
  accepted: (jobId: string) => void,
): Promise<Inferred> {
  const prefer = { prefer: `wait=${WAIT}` };
  const body = {
    model_id,
    version,
    ...(key_id && { key_id }),
    ...(samples > 1 && { batch_size: samples }),
    ...(deadline !== undefined && { deadline_seconds: Math.ceil(deadline / 1000) }),
    inputs: payloads.map((payload) => ({ encoding: "bytes", payload })),
  };
  const headers = { ...prefer, "idempotency-key": request };
  let asked = performance.now();
  let answer: Answer<Job> = await send(transport, { method: "POST", path: "/infer", body, headers, signal });
  checkJob(answer.body, answer.body?.job_id);
  const bytes = { request: answer.sent, response: answer.received };
  let { retries } = answer;
  const jobId = answer.body.job_id;
  accepted(jobId);
  let apart = LOOKS.first;
  while (!answer.body.result && !answer.body.error) {
    const early = asked + apart - performance.now();
    if (early > 0) {
      // The server does not wait, or not so long.
      await pause(early, signal);
      apart = Math.min(apart * LOOKS.growth, LOOKS.last);
    }
    asked = performance.now();
    answer = await send(transport, { method: "GET", path: `/jobs/${jobId}`, headers: prefer, signal });
    checkJob(answer.body, jobId);
    bytes.response += answer.received;
    retries += answer.retries;
  }
  const { result, error } = answer.body;
  if (error) throw fromProblem(error, { jobId });
  if (!(result?.payload instanceof Uint8Array)) {
    throw new EncryptedInferenceError("INVALID_ANSWER", "The job has no result of bytes");
  }
  // Absent is what a server that leaves them out says; another one is a result of something else.
  if ((result.model_id ?? model_id) !== model_id || (result.version ?? version) !== version) {
    const message = `The result is of ${String(result.model_id)} ${String(result.version)}, ${model_id} ${version} was asked`;
    throw new EncryptedInferenceError("INVALID_ANSWER", message);
  }
  return { jobId, payload: result.payload, bytes, retries };
}

/**
 * Sends an input that was encrypted before. Its name belongs to the first job that it makes: where that one failed, or
 * is gone, the input is sent once more under a new name, each time that this is called.
 */
export async function sendInput(transport: Transport, input: InputBundle, options: InferOptions): Promise<EncryptedOutput> {
  const begun = performance.now();
  const inferred = await infer(transport, input, options).catch(async (error: unknown) => {
    const { code, jobId, retryable } = error as EncryptedInferenceError;
    const isOver = code === "UNKNOWN_JOB" || (jobId !== undefined && retryable);
    if (!isOver) throw error;
    await pause(PAUSE_AFTER_FAILURE, options.signal);
    const { deadline } = options;
    const left = deadline === undefined ? {} : { deadline: deadline - (performance.now() - begun) };
    return infer(transport, { ...input, request: crypto.randomUUID() }, { ...options, ...left });
  });
  const { payload, ...report } = inferred;
  const { secret_id, samples } = input;
  return { ...report, output: packOutput({ secret_id, payload, samples }) };
}

/** Checks that an answer is a job, and the one that was asked for. */
function checkJob(body: unknown, wanted: unknown): asserts body is Job {
  const job = body as Partial<Job> | null | undefined;
  if (!isIdentifier(job?.job_id) || job.job_id !== wanted) {
    const found = isIdentifier(job?.job_id) ? `the job ${job.job_id}` : "an answer without a job_id";
    throw new EncryptedInferenceError("INVALID_ANSWER", `Expected the job ${String(wanted)}, found ${found}`);
  }
}

/** Tells the server that nobody waits for a job any more. One that does not know how goes on in vain. */
function cancel(transport: Transport, jobId: string): void {
  send({ ...transport, retries: 0 }, { method: "DELETE", path: `/jobs/${jobId}` }).catch(() => undefined);
}
