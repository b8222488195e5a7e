import { type KeyBundle, unpackKeys } from "./bundle.js";
import { EncryptedInferenceError } from "./errors.js";
import type { SecretKey } from "./secret-key.js";
import type { KeyStore } from "./store.js";
import type { ModelInfo, ParameterSet } from "./types.js";

/**
 * The key of a model in a store that others, in other tabs and programs, change too. Nothing is written over a key that
 * this client has not seen: one that was rotated or forgotten elsewhere stays so.
 */
export class KeptKey {
  readonly #store: KeyStore;
  readonly #name: string;
  /** The secret key that was kept when this client last looked. */
  #seen: string | undefined;

  constructor(store: KeyStore, name: string) {
    this.#store = store;
    this.#name = name;
  }

  /** Carries out a change while no other tab of this origin makes one, where the platform can see to that. */
  alone<T>(change: () => Promise<T>): Promise<T> {
    const locks = globalThis.navigator?.locks as LockManager | undefined;
    return locks ? (locks.request(`encrypted-inference ${this.#name}`, change) as Promise<T>) : change();
  }

  /** What is kept; the caller wipes its secret. */
  async load(): Promise<KeyBundle | undefined> {
    const bundle = await this.#load();
    this.#seen = bundle?.secretId;
    return bundle;
  }

  /** Writes a key, whatever is kept. */
  async write(key: SecretKey, model: ModelInfo, parameters: ParameterSet): Promise<void> {
    const bytes = await key.export(model, parameters);
    try {
      await this.#store.save(this.#name, bytes);
    } finally {
      bytes.fill(0);
    }
    this.#seen = key.id;
  }

  /** Writes a key in place of the one that this client has seen. */
  replace(key: SecretKey, model: ModelInfo, parameters: ParameterSet): Promise<void> {
    return this.alone(async () => {
      await this.check();
      await this.write(key, model, parameters);
    });
  }

  /** Deletes the key that this client has seen; another one is not its business. */
  delete(): Promise<void> {
    return this.alone(async () => {
      if ((await this.#found()) === this.#seen) await this.#store.delete(this.#name);
    });
  }

  /** Refuses to go on with a key that was rotated or forgotten elsewhere. */
  async check(): Promise<void> {
    const found = await this.#found();
    if (found === this.#seen) return;
    const happened = found === undefined ? "The keys that were kept have been deleted elsewhere" : "Other keys have been kept meanwhile";
    const advice = "Open the model again with `api.model`: it goes on with what is kept now.";
    throw new EncryptedInferenceError("KEYS_MISMATCH", `${happened}, by another tab or program`, { advice });
  }

  /** The name of the secret key that is kept. */
  async #found(): Promise<string | undefined> {
    const bundle = await this.#load();
    bundle?.secret.fill(0);
    return bundle?.secretId;
  }

  async #load(): Promise<KeyBundle | undefined> {
    const bytes = await this.#store.load(this.#name);
    try {
      return bytes && unpackKeys(bytes);
    } finally {
      bytes?.fill(0);
    }
  }
}
