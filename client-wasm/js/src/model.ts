/// <reference lib="esnext.disposable" preserve="true" />

import { type InputBundle, packInput, packKeys } from "./bundle.js";
import type { Engine, Engines } from "./engine/engine.js";
import { EncryptedInferenceError, checkAborted } from "./errors.js";
import type { Transport } from "./http.js";
import { type EncryptedOutput, infer } from "./infer.js";
import { flatten, split, warningsOf } from "./sample.js";
import { SharedWork } from "./shared.js";
import type { KeyStore } from "./store.js";
import type { KeyProgress, KeyReport, ModelInfo, Output, ParameterSet, Prediction, Sample, Step, Tensor, Warning } from "./types.js";
import { type KeyOptions, KeySetUpload } from "./upload.js";

/** Predictions of a batch that are under way at the same time. */
const PARALLEL = 2;
/** Problems that say that the server has lost keys: it is given them again, once. */
const LOST = new Set(["UNKNOWN_KEY", "EVALUATION_KEYS_INCOMPLETE"]);

/** What is said of an output that the model cannot give. */
const OUT_OF_RANGE: Warning = {
  code: "OUTPUT_RANGE",
  message: "The output is such as the model cannot give: the input was unlike what it was calibrated for",
  count: 0,
};

/** Options of `predict`. */
export interface PredictOptions {
  /** Called as each step begins. */
  onProgress?: (step: Step) => void;
  /** Gives up, and tells the server so. */
  signal?: AbortSignal;
}

/** Options of `predictBatch`. */
export interface BatchOptions {
  /** Called after each request. */
  onProgress?: (progress: { done: number; total: number }) => void;
  /** Gives up. */
  signal?: AbortSignal;
}

/** Options of calls that only talk to the server. */
export interface CallOptions {
  /** Gives up. */
  signal?: AbortSignal;
}

/** What a model is made from. */
export interface Parts {
  info: ModelInfo;
  parameters: ParameterSet;
  engines: Engines;
  engine: Engine;
  /** Nothing when there is no server. */
  transport: Transport | undefined;
  keyId: string | undefined;
  /** Where the keys are kept, if they are. */
  kept: { store: KeyStore; name: string } | undefined;
}

/** Wipes the keys of models that were dropped without `close`. */
const dropped = new FinalizationRegistry<{ engine: Engine }>(({ engine }) => void engine.close());

/**
 * A model with a secret key of this client. `api.model` makes them.
 *
 * Close it when you are done, or write `await using model = …`; one that is forgotten is wiped when the garbage
 * collector finds it.
 */
export class Model {
  /** The model as the server describes it. */
  readonly info: ModelInfo;
  /** The parameters that its ciphertexts have. */
  readonly parameters: ParameterSet;
  readonly #parts: Parts;
  #upload: KeySetUpload | undefined;
  /** Whether the server has all keys, as far as is known. */
  #prepared = false;
  #preparing: SharedWork<KeyProgress, KeyReport> | undefined;

  /** @internal */
  constructor(parts: Parts) {
    this.#parts = parts;
    this.info = parts.info;
    this.parameters = parts.parameters;
    this.#upload = parts.transport && new KeySetUpload(parts.transport, parts.info, parts.keyId);
    dropped.register(this, parts, parts);
  }

  static {
    // Where the engine has explicit resource management, `using` and `await using` work.
    const dispose = { configurable: true, value(this: Model) { void this.close(); } };
    const asyncDispose = { configurable: true, value(this: Model) { return this.close(); } };
    if (typeof Symbol.dispose === "symbol") Object.defineProperty(this.prototype, Symbol.dispose, dispose);
    if (typeof Symbol.asyncDispose === "symbol") Object.defineProperty(this.prototype, Symbol.asyncDispose, asyncDispose);
  }

  /** The set of evaluation keys on the server, once it has been opened. */
  get keyId(): string | undefined {
    return this.#upload ? this.#upload.keyId : this.#parts.keyId;
  }

  /**
   * Makes the evaluation keys and uploads them, once: several at a time, each again after a failure of the network.
   * Called again after an error, it goes on where the upload broke off; called when all is there, it asks the server
   * and does nothing; called while another call is under way, it waits for the same upload, which goes on for as long
   * as one of the callers has not given up. `predict` calls it if you have not.
   */
  async prepareKeys(options: KeyOptions = {}): Promise<KeyReport> {
    checkAborted(options.signal);
    // Two uploads at once would make every key twice.
    if (!this.#preparing || this.#preparing.isGivenUp) this.#preparing = this.#share(this.#preparing?.settled);
    return this.#preparing.join(options);
  }

  /** Begins an upload that calls share, after one that all of its callers have given up. */
  #share(before: Promise<void> | undefined): SharedWork<KeyProgress, KeyReport> {
    const shared = new SharedWork<KeyProgress, KeyReport>(async (options) => {
      await before;
      return this.#prepare(options);
    });
    void shared.settled.then(() => {
      if (this.#preparing === shared) this.#preparing = undefined;
    });
    return shared;
  }

  async #prepare(options: KeyOptions): Promise<KeyReport> {
    const report = await this.#online().complete(this.#parts.engine, () => this.#keep(), options);
    this.#prepared = true;
    return report;
  }

  /**
   * Encrypts a sample, has the server evaluate the model on it, decrypts the answer.
   *
   * Nothing that is sent depends on what was decrypted before. An error whose `retryable` is set can go away by itself;
   * retries that the protocol allows have been made by then.
   */
  async predict(sample: Sample, options: PredictOptions = {}): Promise<Prediction> {
    const [prediction] = await this.#predict([flatten(sample, this.info.input)], options);
    return prediction as Prediction;
  }

  /** Predicts for samples that share a request. */
  async #predict(samples: Float64Array[], { onProgress, signal }: PredictOptions): Promise<Prediction[]> {
    checkAborted(signal);
    if (!this.#prepared) await this.prepareKeys(signal ? { signal } : {});
    const begun = performance.now();
    onProgress?.("encrypt");
    const input = await this.#encrypt(samples);
    const encrypted = performance.now();

    onProgress?.("infer");
    const { payload, jobId, bytes, retries } = await this.#infer(input, signal);
    const answered = performance.now();

    onProgress?.("decrypt");
    const outputs = await this.#decrypt(payload, samples.length);
    const decrypted = performance.now();
    const timings = {
      encrypt: encrypted - begun,
      roundTrip: answered - encrypted,
      decrypt: decrypted - answered,
      total: decrypted - begun,
    };
    return outputs.map((output, i) => {
      const warnings = [...warningsOf(samples[i] as Float64Array, this.info.input), ...output.warnings];
      return { ...output, timings, bytes, retries, warnings, sent: input.payloads, received: payload, jobId };
    });
  }

  /**
   * Predicts for several samples: a list of them, or one tensor with one more axis in front. As many as the model
   * allows share a request, two requests are under way at the same time. The first error ends the others.
   */
  async predictBatch(
    batch: readonly Sample[] | Tensor,
    options: BatchOptions = {},
  ): Promise<Prediction[]> {
    const { onProgress, signal } = options;
    const samples = split(batch, this.info.input);
    const size = this.info.constraints.max_batch_size;
    const results: Prediction[] = new Array(samples.length);
    const controller = new AbortController();
    const abort = (): void => controller.abort(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted) abort();
    let next = 0;
    let done = 0;
    const run = async (): Promise<void> => {
      while (next < samples.length) {
        const at = next;
        const together = samples.slice(at, at + size);
        next += together.length;
        const predictions = await this.#predict(together, { signal: controller.signal });
        results.splice(at, predictions.length, ...predictions);
        done += together.length;
        onProgress?.({ done, total: samples.length });
      }
    };
    try {
      await Promise.all(Array.from({ length: PARALLEL }, run));
    } catch (error) {
      controller.abort();
      throw error;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
    return results;
  }

  /**
   * Encrypts a sample, to be sent later, by another program even: `api.send` takes these bytes. They do not hold
   * the secret key. They name the evaluation keys to compute with, so that `prepareKeys` has to have been called, in
   * this visit or before the keys were kept or exported.
   */
  async encrypt(sample: Sample): Promise<Uint8Array<ArrayBuffer>> {
    const values = flatten(sample, this.info.input);
    const { relinearization, galois } = this.info.evaluation_keys;
    if (this.keyId === undefined && (relinearization || galois.length > 0)) {
      throw new EncryptedInferenceError("EVALUATION_KEYS_REQUIRED", "What is encrypted now could not be computed on: the server has no evaluation keys for it");
    }
    return packInput(await this.#encrypt([values]));
  }

  /** Decrypts what `api.send` gave, and applies the model's post-processing. */
  async decrypt(output: EncryptedOutput | Uint8Array): Promise<Output> {
    const [decrypted] = await this.#decrypt(output instanceof Uint8Array ? output : output.payload, 1);
    return decrypted as Output;
  }

  /**
   * The secret key with all it takes to use it: `api.model(name, { keys })` goes on with it, and `openKeys` decrypts
   * with it where there is no server. Whoever has these bytes can read everything that was encrypted with the key.
   */
  async exportKeys(): Promise<Uint8Array<ArrayBuffer>> {
    const { info: model, parameters, engine } = this.#parts;
    const secret = await engine.secret();
    try {
      return packKeys({ model, parameters, secret, keyId: this.keyId });
    } finally {
      secret.fill(0);
    }
  }

  /** Makes a new secret key and new evaluation keys, uploads these, and deletes the old ones. */
  async rotateKeys(options: KeyOptions = {}): Promise<KeyReport> {
    const { info: model, parameters, engines, engine: oldEngine } = this.#parts;
    const oldUpload = this.#online();
    const engine = await engines.open({ model, parameters });
    const upload = new KeySetUpload(this.#parts.transport as Transport, model, undefined);
    let report: KeyReport;
    try {
      report = await upload.complete(engine, async () => undefined, options);
    } catch (error) {
      // The old keys stay in use; what was uploaded of the new ones is of no use to anybody.
      await Promise.allSettled([engine.close(), upload.delete(undefined)]);
      throw error;
    }
    this.#parts.engine = engine;
    this.#upload = upload;
    this.#prepared = true;
    await this.#keep();
    await Promise.all([oldEngine.close(), oldUpload.delete(options.signal)]);
    return report;
  }

  /** Deletes the evaluation keys on the server. The next prediction uploads new ones of the same secret key. */
  async deleteKeys(options: CallOptions = {}): Promise<void> {
    this.#prepared = false;
    await this.#online().delete(options.signal);
    await this.#keep();
  }

  /**
   * Forgets the secret key: deletes the evaluation keys on the server and what was kept here, and closes the model.
   * What was encrypted with it can never be read again.
   */
  async forget(options: CallOptions = {}): Promise<void> {
    const { kept } = this.#parts;
    await kept?.store.delete(kept.name);
    await this.#upload?.delete(options.signal);
    await this.close();
  }

  /** Wipes the secret key from memory. Keys that are kept and keys on the server stay. */
  async close(): Promise<void> {
    dropped.unregister(this.#parts);
    await this.#parts.engine.close();
  }

  async #encrypt(samples: Float64Array[]): Promise<InputBundle> {
    const { model_id, version, input } = this.info;
    const values = new Float64Array(samples.length * input.dimension);
    samples.forEach((sample, i) => values.set(sample, i * input.dimension));
    const payloads = await this.#parts.engine.encrypt(values, samples.length);
    return { model_id, version, key_id: this.keyId, request: crypto.randomUUID(), payloads, samples: samples.length };
  }

  async #decrypt(payload: Uint8Array, samples: number): Promise<Output[]> {
    const { labels = [], postprocessing } = this.info.output;
    const decrypted = await this.#parts.engine.decrypt(payload, samples);
    return decrypted.map(({ raw, values, inRange }) => {
      // A model that gives the class alone has one value; the scores it was chosen by are in `raw`.
      const scores = values.length === raw.length ? values : raw;
      const index = scores.reduce((best, value, i) => (value > (scores[best] ?? -Infinity) ? i : best), 0);
      const value = scores[index] ?? Number.NaN;
      // One probability is that of the only label, which a small one speaks against.
      const isDenied = postprocessing === "sigmoid" && scores.length === 1 && value < 0.5;
      const best = { index, value, label: isDenied ? undefined : labels[index] };
      return { values, raw, labels, best, warnings: inRange ? [] : [OUT_OF_RANGE] };
    });
  }

  async #infer(input: InputBundle, signal: AbortSignal | undefined): Promise<EncryptedOutput> {
    this.#online();
    const transport = this.#parts.transport as Transport;
    try {
      return await infer(transport, input, signal);
    } catch (error) {
      if (!LOST.has((error as EncryptedInferenceError).code)) throw error;
    }
    this.#prepared = false;
    await this.prepareKeys(signal ? { signal } : {});
    return infer(transport, { ...input, key_id: this.keyId, request: crypto.randomUUID() }, signal);
  }

  async #keep(): Promise<void> {
    const { kept } = this.#parts;
    if (!kept) return;
    const bundle = await this.exportKeys();
    await kept.store.save(kept.name, bundle);
    bundle.fill(0);
  }

  #online(): KeySetUpload {
    if (!this.#upload) throw new EncryptedInferenceError("OFFLINE", "This model was opened without a server");
    return this.#upload;
  }
}

export interface Model extends Disposable, AsyncDisposable {}
