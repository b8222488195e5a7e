import { EncryptedInferenceError } from "./errors.js";
import type { Engine, EngineCall, Start } from "./engine.js";
import type { Question, Reply } from "./worker.js";

interface Waiting {
  resolve(value: unknown): void;
  reject(error: EncryptedInferenceError): void;
}

/** An engine in a worker of its own: the page stays responsive, and the secret key stays out of it. */
export async function openRemote(start: Start): Promise<Engine> {
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "encrypted-inference" });
  const waiting = new Map<number, Waiting>();
  let last = 0;
  let ended: EncryptedInferenceError | undefined;

  const end = (error: EncryptedInferenceError): void => {
    ended ??= error;
    worker.terminate();
    for (const { reject } of waiting.values()) reject(ended);
    waiting.clear();
  };
  worker.onmessage = ({ data }: MessageEvent<Reply>) => {
    const call = waiting.get(data.id);
    waiting.delete(data.id);
    if ("error" in data) call?.reject(new EncryptedInferenceError(data.error.code, data.error.message));
    else call?.resolve(data.value);
  };
  // Without these, a worker that cannot be loaded would leave its callers waiting for ever.
  worker.onerror = (event) => {
    event.preventDefault();
    end(new EncryptedInferenceError("WORKER", `the worker failed: ${event.message || "it could not be loaded"}`));
  };
  worker.onmessageerror = () => end(new EncryptedInferenceError("WORKER", "the worker's answer cannot be read"));

  const ask = (what: { start: Start } | { call: EngineCall }): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (ended) return reject(ended);
      last += 1;
      waiting.set(last, { resolve, reject });
      worker.postMessage({ id: last, ...what } satisfies Question);
    });
  const call = <Name extends keyof Engine>(method: Name, ...parameters: Parameters<Engine[Name]>) =>
    ask({ call: { method, parameters } as EngineCall }) as ReturnType<Engine[Name]>;

  try {
    await ask({ start });
  } catch (error) {
    end(error as EncryptedInferenceError);
    throw error;
  }
  return {
    keyNames: () => call("keyNames"),
    generateKey: (name) => call("generateKey", name),
    encrypt: (values) => call("encrypt", values),
    decrypt: (result) => call("decrypt", result),
    secret: () => call("secret"),
    close: async () => {
      // Wiping the key first; what waits behind it is refused.
      if (!ended) await call("close").catch(() => undefined);
      end(new EncryptedInferenceError("CLOSED", "the model was closed"));
    },
  };
}
