import { EncryptedInferenceError, type Problem, fromProblem } from "./errors.js";
import type { Engine } from "./engine.js";
import { type Answer, type Transport, send } from "./http.js";
import { type KeyOptions, uploadKeys } from "./keys.js";
import type { KeyReport, ModelInfo, Numbers, ParameterSet, Prediction, Step } from "./types.js";

/** Seconds that the server is asked to wait for a job in one request. */
const WAIT = 20;

type Job = { job_id: string; result?: { payload: Uint8Array }; error?: Problem };

/** Options of `predict`. */
export interface PredictOptions {
  onProgress?: (step: Step) => void;
  signal?: AbortSignal;
}

/** A model with a secret key of this client. */
export class Model {
  readonly #transport: Transport;
  readonly #engine: Engine;
  #keyId: string | undefined;
  #prepared = false;

  /** @internal */
  constructor(
    transport: Transport,
    engine: Engine,
    /** The model as the server describes it. */
    readonly info: ModelInfo,
    /** The parameters that its ciphertexts have. */
    readonly parameters: ParameterSet,
    keyId: string | undefined,
  ) {
    this.#transport = transport;
    this.#engine = engine;
    this.#keyId = keyId;
  }

  /** The set of evaluation keys on the server, once it has been opened. */
  get keyId(): string | undefined {
    return this.#keyId;
  }

  /**
   * Makes the evaluation keys and uploads them, once. Called again after a failure, it goes on where
   * the upload broke off; called when all is there, it asks the server and does nothing.
   */
  async prepareKeys(options: KeyOptions = {}): Promise<KeyReport> {
    const opened = (keyId: string): void => {
      this.#keyId = keyId;
    };
    const report = await uploadKeys(this.#transport, this.#engine, this.info, this.#keyId, opened, options);
    this.#prepared = true;
    return report;
  }

  /**
   * Encrypts the input, has the server evaluate the model on it, decrypts the answer.
   *
   * Takes one number for each element of the model's input, in row-major order. Nothing that is sent
   * depends on what was decrypted before.
   */
  async predict(input: Numbers, { onProgress, signal }: PredictOptions = {}): Promise<Prediction> {
    if (!this.#prepared) await this.prepareKeys(signal ? { signal } : {});
    const begun = performance.now();
    onProgress?.("encrypt");
    const sent = await this.#engine.encrypt(Float64Array.from(input));
    const encrypted = performance.now();

    onProgress?.("infer");
    const { job, request, response } = await this.#infer(sent, signal);
    const answered = performance.now();

    onProgress?.("decrypt");
    const { raw, values } = await this.#engine.decrypt(job.result.payload);
    const decrypted = performance.now();
    return {
      values,
      raw,
      labels: this.info.output.labels ?? [],
      timings: {
        encrypt: encrypted - begun,
        roundTrip: answered - encrypted,
        decrypt: decrypted - answered,
        total: decrypted - begun,
      },
      bytes: { request, response },
      sent,
      jobId: job.job_id,
    };
  }

  async #infer(sent: Uint8Array[], signal: AbortSignal | undefined) {
    const prefer = { prefer: `wait=${WAIT}` };
    const body = {
      model_id: this.info.model_id,
      version: this.info.version,
      key_id: this.#keyId,
      inputs: sent.map((payload) => ({ encoding: "bytes", payload })),
    };
    const headers = { ...prefer, "idempotency-key": crypto.randomUUID() };
    let answer: Answer<Job>;
    try {
      answer = await send<Job>(this.#transport, { method: "POST", path: "/infer", body, headers, signal });
    } catch (error) {
      // The server has lost the keys, or some: the next call asks which.
      this.#prepared &&= !(error as EncryptedInferenceError).code.includes("KEY");
      throw error;
    }
    let response = answer.received;
    while (!answer.body.result && !answer.body.error) {
      const path = `/jobs/${answer.body.job_id}`;
      const next = await send<Job>(this.#transport, { method: "GET", path, headers: prefer, signal });
      response += next.received;
      answer = { ...next, sent: answer.sent };
    }
    if (answer.body.error) throw fromProblem(answer.body.error);
    const { result } = answer.body;
    if (!(result?.payload instanceof Uint8Array)) {
      throw new EncryptedInferenceError("UNEXPECTED_ANSWER", "the job has no result of bytes");
    }
    return { job: { ...answer.body, result }, request: answer.sent, response };
  }

  /**
   * The secret key, for the caller to keep; `api.model(name, { secret, keyId })` goes on with it.
   * Whoever has it can read everything that was encrypted with it.
   */
  exportSecret(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#engine.secret();
  }

  /** Deletes the evaluation keys on the server. */
  async deleteKeys(options: { signal?: AbortSignal } = {}): Promise<void> {
    if (!this.#keyId) return;
    await send(this.#transport, { method: "DELETE", path: `/keys/${this.#keyId}`, ...options });
    this.#keyId = undefined;
    this.#prepared = false;
  }

  /** Wipes the secret key and ends the worker. */
  close(): Promise<void> {
    return this.#engine.close();
  }
}
