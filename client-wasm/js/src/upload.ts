import { EncryptedInferenceError, checkAborted } from "./errors.js";
import type { Engine } from "./engine/engine.js";
import { type Transport, send } from "./http.js";
import { isIdentifier } from "./identifier.js";
import type { KeyProgress, KeyReport } from "./types.js";

/** Uploads that run at the same time; making the next key overlaps with them. */
const PARALLEL = 4;

interface KeySet {
  key_id: string;
  keys: { name: string; bytes: number; present: boolean }[];
  missing: string[];
}

/** Options of `prepareKeys`. */
export interface KeyOptions {
  /** Called at the start and after each key. */
  onProgress?: (progress: KeyProgress) => void;
  /** Gives up. Keys that were uploaded stay, and are not made again. */
  signal?: AbortSignal;
}

/** The evaluation keys of one secret key on one server. */
export class KeySetUpload {
  readonly #transport: Transport;
  readonly #model: { model_id: string; version: string };
  /** Keys that were put on their way: one that arrived although its answer did not is no conflict. */
  readonly #tried = new Set<string>();
  /** Names the request that opens the set, so that a repetition does not open another one. */
  #opening = crypto.randomUUID();

  constructor(transport: Transport, { model_id, version }: { model_id: string; version: string }, public keyId: string | undefined) {
    this.#transport = transport;
    this.#model = { model_id, version };
  }

  /** Makes and uploads the keys that the set misses; opens one when there is none. */
  async complete(engine: Engine, opened: () => Promise<void>, { onProgress, signal }: KeyOptions): Promise<KeyReport> {
    const begun = performance.now();
    const set = (await this.#existing(signal)) ?? (await this.#open(signal));
    if (this.keyId !== set.key_id) {
      this.keyId = set.key_id;
      await opened();
    }
    const progress: KeyProgress = {
      step: "keys",
      name: "",
      done: set.keys.length - set.missing.length,
      total: set.keys.length,
      bytes: set.keys.reduce((sum, key) => sum + (key.present ? key.bytes : 0), 0),
      totalBytes: set.keys.reduce((sum, key) => sum + key.bytes, 0),
    };
    onProgress?.({ ...progress });

    const report: KeyReport = { keyId: set.key_id, made: 0, bytes: 0, timings: { generate: 0, total: 0 } };
    const running = new Set<Promise<void>>();
    let failure: unknown;
    for (const { name, bytes } of set.keys.filter(({ present }) => !present)) {
      checkAborted(signal);
      const started = performance.now();
      const key = await engine.generateKey(name);
      report.timings.generate += performance.now() - started;
      if (key.length !== bytes) {
        const message = `The server expects ${bytes} bytes for ${name}, the parameters give ${key.length}`;
        throw new EncryptedInferenceError("INVALID_ANSWER", message);
      }
      const entry = this.#put(set.key_id, name, key, signal).then(
        () => {
          report.made += 1;
          report.bytes += key.length;
          Object.assign(progress, { name, done: progress.done + 1, bytes: progress.bytes + key.length });
          onProgress?.({ ...progress });
        },
        (error: unknown) => {
          failure ??= error;
        },
      );
      const settled = entry.finally(() => running.delete(settled));
      running.add(settled);
      if (running.size >= PARALLEL) await Promise.race(running);
      if (failure) break;
    }
    await Promise.all(running);
    if (failure) throw failure;
    report.timings.total = performance.now() - begun;
    return report;
  }

  /** Deletes the set on the server; one that is gone already is no error. */
  async delete(signal: AbortSignal | undefined): Promise<void> {
    if (!this.keyId) return;
    try {
      await send(this.#transport, { method: "DELETE", path: `/keys/${this.keyId}`, signal });
    } catch (error) {
      if (!isGone(error)) throw error;
    }
    this.#forget();
  }

  /** The set as the server has it; nothing when it is gone. */
  async #existing(signal: AbortSignal | undefined): Promise<KeySet | undefined> {
    if (!this.keyId) return undefined;
    try {
      return await this.#look(this.keyId, signal);
    } catch (error) {
      if (!isGone(error)) throw error;
      this.#forget();
      return undefined;
    }
  }

  async #look(keyId: string, signal: AbortSignal | undefined): Promise<KeySet> {
    const { body } = await send<unknown>(this.#transport, { method: "GET", path: `/keys/${keyId}`, signal });
    return checkKeySet(body, keyId);
  }

  async #open(signal: AbortSignal | undefined): Promise<KeySet> {
    const headers = { "idempotency-key": this.#opening };
    const call = { method: "POST", path: "/keys", body: this.#model, headers, signal } as const;
    return checkKeySet((await send<unknown>(this.#transport, call)).body);
  }

  async #put(keyId: string, name: string, key: Uint8Array<ArrayBuffer>, signal: AbortSignal | undefined): Promise<void> {
    const triedBefore = this.#tried.has(name);
    this.#tried.add(name);
    try {
      await send(this.#transport, { method: "PUT", path: `/keys/${keyId}/${name}`, body: key, signal });
    } catch (error) {
      // An earlier attempt of this client arrived after all: that key is as good as this one.
      if (!(triedBefore && (error as EncryptedInferenceError).code === "KEY_CONFLICT")) throw error;
    }
  }

  #forget(): void {
    this.keyId = undefined;
    this.#tried.clear();
    this.#opening = crypto.randomUUID();
  }
}

/** Checks that an answer is a key set, and the one that was asked for. */
function checkKeySet(body: unknown, wanted?: string): KeySet {
  const set = body as Partial<KeySet> | null | undefined;
  const isSet = isIdentifier(set?.key_id) && Array.isArray(set.keys) && Array.isArray(set.missing);
  if (!isSet || (wanted ?? set.key_id) !== set.key_id) {
    throw new EncryptedInferenceError("INVALID_ANSWER", `Expected the key set ${wanted ?? "that was opened"}, found another answer`);
  }
  return set as KeySet;
}

const isGone = (error: unknown): boolean => error instanceof EncryptedInferenceError && error.code === "UNKNOWN_KEY";
