import type { InputBundle } from "./bundle.js";
import { EncryptedInferenceError, type Problem, fromProblem } from "./errors.js";
import { type Answer, type Transport, send } from "./http.js";
import { isIdentifier } from "./identifier.js";

/** Seconds that the server is asked to wait for a job in one request. */
const WAIT = 20;

interface Job {
  job_id: string;
  result?: { model_id?: unknown; version?: unknown; payload: unknown };
  error?: Problem;
}

/** An encrypted output, as a server gave it. Only the holder of the secret key can read it. */
export interface EncryptedOutput {
  /** Names the job on the server. */
  jobId: string;
  payload: Uint8Array;
  /** Bytes of the bodies of request and answer. */
  bytes: { request: number; response: number };
  /** Requests that had to be sent again. */
  retries: number;
}

/** Has a server evaluate a model on an encrypted input. */
export async function infer(
  transport: Transport,
  { model_id, version, key_id, request, payloads, samples }: InputBundle,
  signal: AbortSignal | undefined,
): Promise<EncryptedOutput> {
  const prefer = { prefer: `wait=${WAIT}` };
  const body = {
    model_id,
    version,
    ...(key_id && { key_id }),
    ...(samples > 1 && { batch_size: samples }),
    inputs: payloads.map((payload) => ({ encoding: "bytes", payload })),
  };
  const headers = { ...prefer, "idempotency-key": request };
  let answer: Answer<Job> = await send(transport, { method: "POST", path: "/infer", body, headers, signal });
  checkJob(answer.body, answer.body?.job_id);
  const bytes = { request: answer.sent, response: answer.received };
  let { retries } = answer;
  const jobId = answer.body.job_id;
  try {
    while (!answer.body.result && !answer.body.error) {
      answer = await send(transport, { method: "GET", path: `/jobs/${jobId}`, headers: prefer, signal });
      checkJob(answer.body, jobId);
      bytes.response += answer.received;
      retries += answer.retries;
    }
  } catch (error) {
    if (signal?.aborted) cancel(transport, jobId);
    throw error;
  }
  const { result, error } = answer.body;
  if (error) throw fromProblem(error);
  if (!(result?.payload instanceof Uint8Array)) {
    throw new EncryptedInferenceError("UNEXPECTED_ANSWER", "The job has no result of bytes");
  }
  // Absent is what a server that leaves them out says; another one is a result of something else.
  if ((result.model_id ?? model_id) !== model_id || (result.version ?? version) !== version) {
    const message = `The result is of ${String(result.model_id)} ${String(result.version)}, ${model_id} ${version} was asked`;
    throw new EncryptedInferenceError("UNEXPECTED_ANSWER", message);
  }
  return { jobId, payload: result.payload, bytes, retries };
}

/** Checks that an answer is a job, and the one that was asked for. */
function checkJob(body: unknown, wanted: unknown): asserts body is Job {
  const job = body as Partial<Job> | null | undefined;
  if (!isIdentifier(job?.job_id) || job.job_id !== wanted) {
    const found = isIdentifier(job?.job_id) ? `the job ${job.job_id}` : "an answer without a job_id";
    throw new EncryptedInferenceError("UNEXPECTED_ANSWER", `Expected the job ${String(wanted)}, found ${found}`);
  }
}

/** Tells the server that nobody waits for a job any more. One that does not know how goes on in vain. */
function cancel(transport: Transport, jobId: string): void {
  send({ ...transport, retries: 0 }, { method: "DELETE", path: `/jobs/${jobId}` }).catch(() => undefined);
}
