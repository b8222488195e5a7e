import { EncryptedInferenceError, fromThrown } from "./errors.js";
import type { Engine, Start } from "./engine.js";
import { loadModule } from "./module.js";

/** An engine in this thread. */
export async function openLocal(start: Start): Promise<Engine> {
  const { Session } = await loadModule();
  const guarded = <T>(run: () => T): T => {
    try {
      return run();
    } catch (thrown) {
      throw fromThrown(thrown, "WORKER");
    }
  };
  const { model, parameters, secret } = start;
  const session = guarded(() =>
    secret ? Session.fromSecret(model, parameters, secret) : new Session(model, parameters),
  );
  let open = true;
  const call = async <T>(run: () => T): Promise<T> => {
    if (!open) throw new EncryptedInferenceError("CLOSED", "the model was closed");
    return guarded(run);
  };
  return {
    keyNames: () => call(() => session.keyNames()),
    generateKey: (name) => call(() => session.generateKey(name) as Uint8Array<ArrayBuffer>),
    encrypt: (values) => call(() => session.encrypt(values) as Uint8Array<ArrayBuffer>[]),
    decrypt: (result) =>
      call(() => {
        const raw = session.decrypt(result);
        return { raw: [...raw], values: [...session.postprocess(raw)] };
      }),
    secret: () => call(() => session.secretBytes() as Uint8Array<ArrayBuffer>),
    close: async () => {
      if (open) session.free();
      open = false;
    },
  };
}
