/// <reference lib="esnext.disposable" preserve="true" />

import { inOrder } from "./batch.js";
import { type InputBundle, packInput, unpackOutput } from "./bundle.js";
import { EncryptedInferenceError, checkAborted, fromThrown } from "./errors.js";
import type { Transport } from "./http.js";
import { type EncryptedOutput, type InferOptions, type Inferred, infer } from "./infer.js";
import { type CallOptions, ModelKeys, type Parts } from "./keys.js";
import { describe, unread } from "./output.js";
import { SampleSteps } from "./progress.js";
import { flatten, split, warningsOf } from "./sample.js";
import type { SecretKey } from "./secret-key.js";
import { follow } from "./signals.js";
import type { BatchPrediction, EachPrediction, EncryptedInput, KeyReport, ModelInfo, Output, ParameterSet, Prediction, Progress, RotationReport, Sample, Tensor } from "./types.js";
import type { KeyOptions } from "./upload.js";

/** Problems that say that the server has lost keys: it is given them again, once. */
const LOST = new Set(["UNKNOWN_KEY", "EVALUATION_KEYS_INCOMPLETE"]);

/** Options of `predict`. */
export interface PredictOptions extends InferOptions {
  /** Called as each step begins and ends; with the keys first, if the server does not have them. */
  onProgress?: (progress: Progress) => void;
}

/** Options of `predictBatch` and `predictEach`. A deadline is that of each request. */
export interface BatchOptions extends PredictOptions {
  /** Whether each prediction has the ciphertexts, `sent` and `received`, which are most of what it weighs. */
  ciphertexts?: boolean;
}

/** Wipes the keys of models that were dropped without `close`. */
const dropped = new FinalizationRegistry<ModelKeys>((keys) => void keys.close());

/** A request that the server has answered, and the key that reads the answer, which is held until then. */
interface Answered {
  key: SecretKey;
  release: () => void;
  samples: Float64Array[];
  /** The place of the first sample. */
  index: number;
  /** Whether all values fit the model's scale. */
  fits: boolean;
  /** Its ciphertexts, if anybody wants to see them. */
  sent: Uint8Array[];
  inferred: Inferred;
  timings: { encrypt: number; roundTrip: number };
}

/** What became of the samples of a request that the server has answered: where it failed, that is in each of them. */
interface Outcome {
  predictions: (Prediction & EachPrediction)[];
  failure?: EncryptedInferenceError;
}

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
  readonly #keys: ModelKeys;
  /** Nothing when there is no server. */
  readonly #transport: Transport | undefined;

  /** @internal */
  constructor(parts: Parts) {
    this.#keys = new ModelKeys(parts);
    this.#transport = parts.transport;
    this.info = parts.info;
    this.parameters = parts.parameters;
    dropped.register(this, this.#keys, this.#keys);
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
    return this.#keys.current.keyId;
  }

  /**
   * Makes the evaluation keys and uploads them, once: several at a time, each again after a failure of the network.
   * Called again after an error, it goes on where the upload broke off; called when all is there, it asks the server
   * and does nothing; called while another call is under way, it waits for the same upload, which goes on for as long
   * as one of the callers has not given up. `predict` calls it if you have not.
   */
  prepareKeys(options: KeyOptions = {}): Promise<KeyReport> {
    return this.#keys.prepare(options);
  }

  /**
   * Encrypts a sample, has the server evaluate the model on it, decrypts the answer.
   *
   * Nothing that is sent depends on what was decrypted before. An error whose `retryable` is set can go away by itself;
   * retries that the protocol allows have been made by then.
   */
  async predict(sample: Sample, options: PredictOptions = {}): Promise<Prediction> {
    const steps = new SampleSteps(options.onProgress, 1);
    const answered = await this.#ask([flatten(sample, this.info.input)], 0, steps, options);
    return predictionsOf(await this.#read(answered, steps))[0] as Prediction;
  }

  /**
   * Predicts for several samples: a list of them, or one tensor with one more axis in front. As many as the model
   * allows share a request, two requests are under way at the same time. The first request that fails ends the others.
   * Answers are decrypted when all of them are there: what is sent, and when, cannot tell the server how that went.
   */
  async predictBatch(batch: readonly Sample[] | Tensor, options: BatchOptions = {}): Promise<BatchPrediction[]> {
    const samples = split(batch, this.info.input);
    const steps = new SampleSteps(options.onProgress, samples.length);
    const held: Answered[] = [];
    const hold = (answered: Answered): Answered => {
      held.push(answered);
      return answered;
    };
    const all: Answered[] = [];
    try {
      for await (const answered of this.#inRequests(samples, steps, options, hold)) all.push(answered);
    } catch (error) {
      for (const { release } of held) release();
      throw error;
    }
    const outcomes: Outcome[] = [];
    for (const answered of all) outcomes.push(await this.#read(answered, steps));
    return outcomes.flatMap(predictionsOf).map((prediction) => shown(prediction, options));
  }

  /**
   * As `predictBatch`, for any number of samples: takes them as it goes, from whatever gives them, and gives each
   * prediction when it is there, in order. Up to eight requests are ahead of the loop; leaving it gives them up, and
   * ends the source.
   *
   * An answer that cannot be decrypted has its turn too, with an `error` and `NaN` for numbers, so that the loop goes on
   * with all samples, and can be left in the same places. The first such error is thrown after the last sample.
   *
   * The server sees the pace of the loop, and where it ends: what the loop does must not take a time that depends on a
   * prediction or an `error`, nor may it be left because of one. `predictBatch` shows the server nothing of that kind.
   */
  predictEach(samples: Iterable<Sample> | AsyncIterable<Sample>, options: BatchOptions = {}): AsyncGenerator<EachPrediction, void> {
    const { input } = this.info;
    const steps = new SampleSteps(options.onProgress, Array.isArray(samples) ? samples.length : undefined);
    async function* flat(): AsyncGenerator<Float64Array> {
      for await (const sample of samples) yield flatten(sample, input);
    }
    return this.#predictEach(flat(), steps, options);
  }

  async *#predictEach(samples: AsyncIterable<Float64Array>, steps: SampleSteps, options: BatchOptions): AsyncGenerator<EachPrediction, void> {
    let failure: EncryptedInferenceError | undefined;
    // In an object, as nobody is to wait for the reading before it is its turn.
    const read = (answered: Answered): { reading: Promise<Outcome> } => ({ reading: this.#read(answered, steps) });
    for await (const { reading } of this.#inRequests(samples, steps, options, read)) {
      const outcome = await reading;
      failure ??= outcome.failure;
      for (const prediction of outcome.predictions) yield shown(prediction, options);
    }
    if (failure) throw failure;
  }

  /**
   * Asks for samples in groups that share a request, and gives what `answered` makes of each answer, in order. The first
   * that fails ends the others, as does whoever does not want the rest. The next is asked when one is answered, whoever
   * reads the answer: that takes a time which is not the server's business.
   */
  async *#inRequests<Result>(
    samples: Iterable<Float64Array> | AsyncIterable<Float64Array>,
    steps: SampleSteps,
    { signal, ...options }: BatchOptions,
    answered: (answer: Answered) => Result,
  ): AsyncGenerator<Result, void> {
    const { controller, end } = follow(signal);
    const each = { ...options, signal: controller.signal };
    const ask = async (group: Float64Array[], at: number): Promise<Result> => {
      const answer = await this.#ask(group, at, steps, each);
      if (!options.ciphertexts) answer.sent = [];
      // Nobody takes it any more.
      if (each.signal.aborted) answer.release();
      checkAborted(each.signal);
      return answered(answer);
    };
    try {
      // Once for all requests.
      if (steps.total !== 0) await this.#prepareIfNeeded(each);
      yield* inOrder(samples, this.info.constraints.max_batch_size, ask, each.signal);
    } finally {
      // Where all went well nothing is under way.
      controller.abort();
      end();
    }
  }

  /** Encrypts samples that share a request, and has the server evaluate the model on them. */
  async #ask(samples: Float64Array[], index: number, steps: SampleSteps, options: PredictOptions): Promise<Answered> {
    checkAborted(options.signal);
    await this.#prepareIfNeeded(options);
    try {
      return await this.#askWith(this.#keys.current, samples, index, steps, options);
    } catch (error) {
      if (!LOST.has((error as EncryptedInferenceError).code)) throw error;
    }
    this.#keys.current.isPrepared = false;
    await this.prepareKeys(options);
    // Encrypted anew: the key may be another one by now.
    return this.#askWith(this.#keys.current, samples, index, steps, options);
  }

  async #prepareIfNeeded(options: PredictOptions): Promise<void> {
    if (!this.#keys.current.isPrepared) await this.prepareKeys(options);
  }

  async #askWith(key: SecretKey, samples: Float64Array[], index: number, steps: SampleSteps, options: InferOptions): Promise<Answered> {
    const release = key.hold();
    try {
      const begun = performance.now();
      steps.begin("encrypt");
      const { input, fits } = await this.#encrypt(key, samples);
      steps.end("encrypt", samples.length, sum(input.payloads));
      const encrypted = performance.now();

      steps.begin("infer");
      const inferred = await infer(this.#transport as Transport, input, options);
      const timings = { encrypt: encrypted - begun, roundTrip: performance.now() - encrypted };
      steps.end("infer", samples.length, inferred.bytes.request + inferred.bytes.response);
      return { key, release, samples, index, fits, sent: input.payloads, inferred, timings };
    } catch (error) {
      release();
      throw error;
    }
  }

  /**
   * Decrypts an answer. This cannot fail: it ends in an outcome, so that no caller can let the server know by mistake
   * how it went.
   */
  async #read({ key, release, samples, index, fits, sent, inferred, timings }: Answered, steps: SampleSteps): Promise<Outcome> {
    const { payload: received, bytes, retries, jobId } = inferred;
    const begun = performance.now();
    const predicted = (outputs: (Output & Pick<EachPrediction, "error">)[]): Outcome["predictions"] => {
      const decrypt = performance.now() - begun;
      const all = { ...timings, decrypt, total: timings.encrypt + timings.roundTrip + decrypt };
      return outputs.map((output, i) => ({ ...output, index: index + i, timings: all, bytes, retries, sent, received, jobId }));
    };
    try {
      steps.begin("decrypt");
      const outputs = await this.#decrypt(key, received, samples.length);
      steps.end("decrypt", samples.length, received.length);
      // Told now, not before: a request that does not come would tell the server, or one that comes earlier because
      // nothing was decrypted.
      if (!fits) {
        throw new EncryptedInferenceError("INPUT_VALUE", "A value of the input is too large for the model's scale, and the answer means nothing");
      }
      const warned = outputs.map((output, i) => {
        const warnings = [...warningsOf(samples[i] as Float64Array, this.info.input), ...output.warnings];
        return { ...output, warnings };
      });
      return { predictions: predicted(warned) };
    } catch (thrown) {
      const failure = fromThrown(thrown, "ENGINE");
      return { predictions: predicted(samples.map(() => unread(failure, this.info.output))), failure };
    } finally {
      release();
    }
  }

  /**
   * Encrypts a sample, to be sent later, by another program even: `input` of what it gives is for `api.send`. It does
   * not hold the secret key. It names the evaluation keys to compute with, so that `prepareKeys` has to have been
   * called, in this visit or before the keys were kept or exported.
   */
  async encrypt(sample: Sample): Promise<EncryptedInput> {
    return this.#encryptForLater([flatten(sample, this.info.input)]);
  }

  /** As `encrypt`, for several samples: one input for `api.send` for as many of them as the model lets share it. */
  async encryptBatch(batch: readonly Sample[] | Tensor): Promise<EncryptedInput[]> {
    const samples = split(batch, this.info.input);
    const size = this.info.constraints.max_batch_size;
    const inputs: EncryptedInput[] = [];
    for (let at = 0; at < samples.length; at += size) inputs.push(await this.#encryptForLater(samples.slice(at, at + size)));
    return inputs;
  }

  async #encryptForLater(samples: Float64Array[]): Promise<EncryptedInput> {
    const { relinearization, galois } = this.info.evaluation_keys;
    const key = this.#keys.current;
    if (key.keyId === undefined && (relinearization || galois.length > 0)) {
      throw new EncryptedInferenceError("EVALUATION_KEYS_REQUIRED", "What is encrypted now could not be computed on: the server has no evaluation keys for it");
    }
    const { input, fits } = await key.use(() => this.#encrypt(key, samples));
    return { input: packInput(input), fits };
  }

  /** Decrypts what `api.send` gave for one sample, and applies the model's post-processing. */
  async decrypt(output: EncryptedOutput | Uint8Array): Promise<Output> {
    const outputs = await this.decryptBatch(output);
    if (outputs.length === 1) return outputs[0] as Output;
    const advice = "`decryptBatch` gives all of them.";
    throw new EncryptedInferenceError("BATCH_SIZE", `The output is of ${outputs.length} samples`, { advice });
  }

  /** Decrypts what `api.send` gave for an input of `encryptBatch`: as many outputs as it has samples. */
  async decryptBatch(output: EncryptedOutput | Uint8Array): Promise<Output[]> {
    const { secret_id, payload, samples } = unpackOutput(ArrayBuffer.isView(output) ? output : output.output);
    const key = this.#keys.current;
    if (secret_id !== key.id) {
      const advice = "Decrypt it with the keys that its input was encrypted with: export them before `rotateKeys`, and open them with `openKeys`.";
      throw new EncryptedInferenceError("KEYS_MISMATCH", "The output is encrypted with another secret key", { advice });
    }
    return key.use(() => this.#decrypt(key, payload, samples));
  }

  /**
   * The secret key with all it takes to use it: `api.model(name, { keys })` goes on with it, and `openKeys` decrypts
   * with it where there is no server. Whoever has these bytes can read everything that was encrypted with the key.
   */
  async exportKeys(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#keys.current.export(this.info, this.parameters);
  }

  /**
   * Makes a new secret key and new evaluation keys, uploads these, and deletes the old ones. What is under way with the
   * old keys, predictions and uploads, ends with them, and they stay until then; what begins afterwards has the new
   * ones. Called again while it runs, it rotates once more.
   *
   * A server that does not delete the old evaluation keys does not undo it: `notDeleted` says why.
   */
  rotateKeys(options: KeyOptions = {}): Promise<RotationReport> {
    return this.#keys.rotate(options);
  }

  /** Deletes the evaluation keys on the server. The next prediction uploads new ones of the same secret key. */
  deleteKeys(options: CallOptions = {}): Promise<void> {
    return this.#keys.delete(options);
  }

  /**
   * Forgets the secret key: wipes it and closes the model, deletes what was kept here and the evaluation keys on the
   * server. What was encrypted with it can never be read again. Each of these is done whatever becomes of the others; a
   * deletion that failed is told afterwards, and tried again by another call.
   */
  forget(options: CallOptions = {}): Promise<void> {
    dropped.unregister(this.#keys);
    return this.#keys.forget(options);
  }

  /** Wipes the secret key from memory. Keys that are kept and keys on the server stay. */
  close(): Promise<void> {
    dropped.unregister(this.#keys);
    return this.#keys.close();
  }

  async #encrypt({ id, engine, keyId }: SecretKey, samples: Float64Array[]): Promise<{ input: InputBundle; fits: boolean }> {
    const { model_id, version, input: { dimension } } = this.info;
    const values = new Float64Array(samples.length * dimension);
    samples.forEach((sample, i) => values.set(sample, i * dimension));
    const { payloads, fits } = await engine.encrypt(values, samples.length);
    const input = { model_id, version, key_id: keyId, secret_id: id, request: crypto.randomUUID(), payloads, samples: samples.length };
    return { input, fits };
  }

  async #decrypt({ engine }: SecretKey, payload: Uint8Array, samples: number): Promise<Output[]> {
    const decrypted = await engine.decrypt(payload, samples);
    return decrypted.map((each) => describe(each, this.info.output));
  }

}

export interface Model extends Disposable, AsyncDisposable {}

/** The predictions of a request; throws what it failed with. */
function predictionsOf({ predictions, failure }: Outcome): Prediction[] {
  if (failure) throw failure;
  return predictions;
}

/** A prediction without its ciphertexts, unless they are wanted. */
function shown<Whole extends Prediction>({ sent, received, ...prediction }: Whole, { ciphertexts }: BatchOptions): Omit<Whole, "sent" | "received"> {
  return ciphertexts ? { ...prediction, sent, received } : prediction;
}

const sum = (arrays: readonly Uint8Array[]): number => arrays.reduce((bytes, { length }) => bytes + length, 0);
