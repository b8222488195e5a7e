import { EncryptedInferenceError, checkAborted } from "./errors.js";
import type { Engine } from "./engine.js";
import { type Transport, send } from "./http.js";
import type { KeyProgress, KeyReport } from "./types.js";

/** Uploads that run at the same time; making the next key overlaps with them. */
const PARALLEL = 3;

interface KeySet {
  key_id: string;
  keys: { name: string; bytes: number; present: boolean }[];
  missing: string[];
}

/** Options of `prepareKeys`. */
export interface KeyOptions {
  onProgress?: (progress: KeyProgress) => void;
  signal?: AbortSignal;
}

/** Makes and uploads the keys that a set misses; opens one when there is none. */
export async function uploadKeys(
  transport: Transport,
  engine: Engine,
  model: { model_id: string; version: string },
  known: string | undefined,
  opened: (keyId: string) => void,
  { onProgress, signal }: KeyOptions,
): Promise<KeyReport> {
  const begun = performance.now();
  const set = (known && (await existing(transport, known, signal))) || (await open(transport, model, signal));
  opened(set.key_id);

  const sizes = new Map(set.keys.map(({ name, bytes }) => [name, bytes]));
  const progress: KeyProgress = {
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
  for (const name of set.missing) {
    checkAborted(signal);
    const started = performance.now();
    const key = await engine.generateKey(name);
    report.timings.generate += performance.now() - started;
    if (key.length !== sizes.get(name)) {
      const message = `the server expects ${sizes.get(name)} bytes for ${name}, the parameters give ${key.length}`;
      throw new EncryptedInferenceError("UNEXPECTED_ANSWER", message);
    }
    const path = `/keys/${set.key_id}/${name}`;
    const upload = send(transport, { method: "PUT", path, body: key, signal }).then(
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
    const entry = upload.finally(() => running.delete(entry));
    running.add(entry);
    if (running.size >= PARALLEL) await Promise.race(running);
    if (failure) break;
  }
  await Promise.all(running);
  if (failure) throw failure;
  report.timings.total = performance.now() - begun;
  return report;
}

/** The set as the server has it; nothing when it is gone. */
async function existing(
  transport: Transport,
  keyId: string,
  signal: AbortSignal | undefined,
): Promise<KeySet | undefined> {
  try {
    return (await send<KeySet>(transport, { method: "GET", path: `/keys/${keyId}`, signal })).body;
  } catch (error) {
    if (error instanceof EncryptedInferenceError && error.code === "UNKNOWN_KEY") return undefined;
    throw error;
  }
}

async function open(
  transport: Transport,
  { model_id, version }: { model_id: string; version: string },
  signal: AbortSignal | undefined,
): Promise<KeySet> {
  const headers = { "idempotency-key": crypto.randomUUID() };
  const body = { model_id, version };
  return (await send<KeySet>(transport, { method: "POST", path: "/keys", body, headers, signal })).body;
}
