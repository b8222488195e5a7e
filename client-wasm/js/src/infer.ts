import type { InputBundle } from "./bundle.js";
import { EncryptedInferenceError, type Problem, fromProblem } from "./errors.js";
import { type Answer, type Transport, send } from "./http.js";

/** Seconds that the server is asked to wait for a job in one request. */
const WAIT = 20;

interface Job {
  job_id: string;
  result?: { payload: unknown };
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
  { model_id, version, key_id, request, payloads }: InputBundle,
  signal: AbortSignal | undefined,
): Promise<EncryptedOutput> {
  const prefer = { prefer: `wait=${WAIT}` };
  const body = {
    model_id,
    version,
    ...(key_id && { key_id }),
    inputs: payloads.map((payload) => ({ encoding: "bytes", payload })),
  };
  const headers = { ...prefer, "idempotency-key": request };
  let answer: Answer<Job> = await send(transport, { method: "POST", path: "/infer", body, headers, signal });
  const bytes = { request: answer.sent, response: answer.received };
  let { retries } = answer;
  const jobId = answer.body.job_id;
  try {
    while (!answer.body.result && !answer.body.error) {
      answer = await send(transport, { method: "GET", path: `/jobs/${jobId}`, headers: prefer, signal });
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
  return { jobId, payload: result.payload, bytes, retries };
}

/** Tells the server that nobody waits for a job any more. One that does not know how goes on in vain. */
function cancel(transport: Transport, jobId: string): void {
  send({ ...transport, retries: 0 }, { method: "DELETE", path: `/jobs/${jobId}` }).catch(() => undefined);
}
