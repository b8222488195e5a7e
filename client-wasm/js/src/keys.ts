import type { Engines } from "./engine/engine.js";
import { EncryptedInferenceError, checkAborted } from "./errors.js";
import type { Transport } from "./http.js";
import type { KeptKey } from "./kept.js";
import { SecretKey } from "./secret-key.js";
import { SharedWork } from "./shared.js";
import type { KeyProgress, KeyReport, ModelInfo, ParameterSet, RotationReport } from "./types.js";
import { type KeyOptions, KeySetUpload } from "./upload.js";

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
  key: SecretKey;
  /** Nothing when there is no server. */
  transport: Transport | undefined;
  /** Where the keys are kept, if they are. */
  kept: KeptKey | undefined;
}

/** The keys of a model: the secret key in use, what is kept of it here, its evaluation keys on the server. */
export class ModelKeys {
  readonly #parts: Parts;
  #preparing: SharedWork<KeyProgress, KeyReport> | undefined;
  /** Fulfilled when the rotations that were asked for are over. */
  #rotated: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** The secret key that calls which begin now take. */
  get current(): SecretKey {
    return this.#parts.key;
  }

  /** Makes and uploads the evaluation keys that the server misses. */
  async prepare(options: KeyOptions): Promise<KeyReport> {
    checkAborted(options.signal);
    // Two uploads at once would make every key twice.
    if (!this.#preparing || this.#preparing.isGivenUp) this.#preparing = this.#share(this.#preparing?.settled);
    return this.#preparing.join(options);
  }

  /** Begins an upload that calls share, after one that all of its callers have given up. */
  #share(before: Promise<void> | undefined): SharedWork<KeyProgress, KeyReport> {
    const shared = new SharedWork<KeyProgress, KeyReport>(async (options) => {
      await before;
      return this.#complete(options);
    });
    void shared.settled.then(() => {
      if (this.#preparing === shared) this.#preparing = undefined;
    });
    return shared;
  }

  async #complete(options: KeyOptions): Promise<KeyReport> {
    const { key, kept } = this.#parts;
    const upload = online(key.upload);
    // Evaluation keys of a secret key that was rotated or forgotten elsewhere must not come back.
    await kept?.check();
    const report = await key.use(() => upload.complete(key.engine, () => this.#keep(key), options));
    key.isPrepared = true;
    return report;
  }

  /** Goes over to a new secret key, and deletes the evaluation keys of the old one. */
  rotate(options: KeyOptions): Promise<RotationReport> {
    const rotation = this.#rotated.then(() => this.#replace(options));
    this.#rotated = rotation.then(
      () => undefined,
      () => undefined,
    );
    return rotation;
  }

  async #replace(options: KeyOptions): Promise<RotationReport> {
    checkAborted(options.signal);
    const { info, parameters, engines, key: old, transport } = this.#parts;
    const oldUpload = online(old.upload);
    const upload = new KeySetUpload(transport as Transport, info, undefined);
    const key = new SecretKey(crypto.randomUUID(), await engines.open({ model: info, parameters }), upload);
    let report: KeyReport;
    try {
      report = await upload.complete(key.engine, async () => undefined, options);
      if (this.#isClosed) throw new EncryptedInferenceError("CLOSED", "The model was closed while its keys were rotated");
      await this.#keep(key);
    } catch (error) {
      // The old keys stay in use; what was uploaded of the new ones is of no use to anybody.
      await Promise.allSettled([key.engine.close(), upload.delete(undefined)]);
      throw error;
    }
    key.isPrepared = true;
    this.#parts.key = key;
    // Closed while the new keys were being stored.
    if (this.#isClosed) await key.engine.close();
    await old.idle();
    await old.engine.close();
    const notDeleted = await oldUpload.delete(options.signal).catch((error: EncryptedInferenceError) => error);
    return { ...report, ...(notDeleted && { notDeleted }) };
  }

  /** Deletes the evaluation keys on the server. */
  async delete(options: CallOptions): Promise<void> {
    await this.#rotated;
    const { key } = this.#parts;
    key.isPrepared = false;
    await online(key.upload).delete(options.signal);
    await this.#keep(key);
  }

  /** Wipes the secret key, and deletes what is kept and the evaluation keys on the server. */
  async forget(options: CallOptions): Promise<void> {
    await this.#rotated;
    const { kept, key } = this.#parts;
    const done = await Promise.allSettled([this.close(), kept?.delete(), key.upload?.delete(options.signal)]);
    for (const each of done) if (each.status === "rejected") throw each.reason;
  }

  /** Wipes the secret key from memory. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#parts.key.engine.close();
  }

  async #keep(key: SecretKey): Promise<void> {
    const { kept, info, parameters } = this.#parts;
    await kept?.replace(key, info, parameters);
  }
}

function online(upload: KeySetUpload | undefined): KeySetUpload {
  if (!upload) throw new EncryptedInferenceError("OFFLINE", "This model was opened without a server");
  return upload;
}
