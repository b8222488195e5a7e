import { EncryptedInferenceError, fromThrown } from "../errors.js";
import { bind } from "./bindings.js";
import type { Decrypted, Encrypted, Engine, Engines, Start } from "./engine.js";

/** Engines in this thread. */
export function localEngines(module: () => Promise<WebAssembly.Module>): Engines {
  // In this thread compiling holds others up, so that it waits until it is needed.
  return { prepare: () => undefined, open: async (start) => openLocal(await module(), start) };
}

/** An engine in this thread. */
export function openLocal(module: WebAssembly.Module, { model, parameters, secret }: Start): Engine {
  const Session = bind(module);
  const session = guarded(() =>
    secret ? Session.fromSecret(model, parameters, secret) : new Session(model, parameters),
  );
  const { dimension } = model.output;
  let open = true;
  const call = async <T>(run: () => T): Promise<T> => {
    if (!open) throw new EncryptedInferenceError("CLOSED", "The model was closed");
    return guarded(run);
  };
  return {
    keyNames: () => call(() => session.keyNames()),
    async generateKey(name) {
      // Keys are made one after the other: whatever else waits for this thread gets its turn between them.
      await turn();
      return call(() => session.generateKey(name) as Uint8Array<ArrayBuffer>);
    },
    encrypt: (values, samples) => call(() => session.encrypt(values, samples) as Encrypted),
    decrypt: (result, samples) => call(() => divided(session.decrypt(result, samples) as Float64Array<ArrayBuffer>, samples, dimension)),
    secret: () => call(() => session.secretBytes() as Uint8Array<ArrayBuffer>),
    async close() {
      if (open) session.free();
      open = false;
    },
  };
}

/** What the binding says of so many samples: an output of `dimension` values, its post-processed values, a flag. */
function divided(all: Float64Array<ArrayBuffer>, samples: number, dimension: number): Decrypted[] {
  const length = all.length / samples;
  return Array.from({ length: samples }, (_, i) => {
    const own = all.subarray(i * length, (i + 1) * length);
    return { raw: own.subarray(0, dimension), values: own.subarray(dimension, -1), inRange: own.at(-1) === 1 };
  });
}

function guarded<T>(run: () => T): T {
  try {
    return run();
  } catch (thrown) {
    throw fromThrown(thrown, "ENGINE");
  }
}

/** Lets the event loop turn once. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
