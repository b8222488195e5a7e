import { EncryptedInferenceError, fromThrown } from "../errors.js";
import type { Engine, Engines, Start } from "./engine.js";
import { type EngineCall, MARK, type Question, type Reply } from "./messages.js";

type Asked = { open: Start; module: WebAssembly.Module } | { call: EngineCall } | { close: true };

interface Waiting {
  resolve(value: unknown): void;
  reject(error: EncryptedInferenceError): void;
}

/** A worker that has said it is ready, and what it was asked. */
class Connection {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;
  #ended: EncryptedInferenceError | undefined;
  /** Called when the worker has ended, for whatever reason. */
  onEnd: () => void = () => undefined;

  private constructor(worker: Worker) {
    this.#worker = worker;
  }

  /** Waits until a worker is ready; one that cannot be loaded only fires an event. */
  static open(worker: Worker): Promise<Connection> {
    const connection = new Connection(worker);
    return new Promise((resolve, reject) => {
      worker.addEventListener("message", ({ data }: MessageEvent<Reply | undefined>) => {
        if (data?.mark !== MARK) return;
        if ("ready" in data) resolve(connection);
        else connection.#settle(data);
      });
      const failed = (what: string) => (event: Event): void => {
        event.preventDefault();
        const { message } = event as ErrorEvent;
        const error = new EncryptedInferenceError("WORKER", `The worker failed: ${message || what}`);
        connection.end(error);
        reject(error);
      };
      worker.addEventListener("error", failed("it could not be loaded"));
      worker.addEventListener("messageerror", failed("its answer cannot be read"));
    });
  }

  ask(engine: number, what: Asked, transfer: Transferable[] = []): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(this.#ended);
      this.#last += 1;
      const id = this.#last;
      this.#waiting.set(id, { resolve, reject });
      try {
        this.#worker.postMessage({ mark: MARK, id, engine, ...what } satisfies Question, transfer);
      } catch (thrown) {
        this.#waiting.delete(id);
        reject(fromThrown(thrown, "WORKER"));
      }
    });
  }

  end(error: EncryptedInferenceError): void {
    this.#ended ??= error;
    this.#worker.terminate();
    this.onEnd();
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
  }

  #settle(reply: Extract<Reply, { id: number }>): void {
    const call = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if ("error" in reply) call?.reject(new EncryptedInferenceError(reply.error.code, reply.error.message));
    else call?.resolve(reply.value);
  }
}

/** Starts a worker. */
export type StartWorker = () => Worker | Promise<Worker>;

/**
 * Engines in one worker, which starts with the first and ends with the last of them: the page stays responsive,
 * and secret keys stay out of it. The ways to start a worker are tried in order; where none works, `fallback`
 * makes the engines.
 */
export function remoteEngines(
  module: () => Promise<WebAssembly.Module>,
  ways: readonly StartWorker[],
  fallback?: Engines,
): Engines {
  let worker: Promise<Connection> | undefined;
  const inUse = new Set<number>();
  let last = 0;

  const forget = (): void => {
    worker = undefined;
  };
  const connect = async (): Promise<Connection> => {
    try {
      const connection = await firstThatWorks(ways);
      connection.onEnd = forget;
      return connection;
    } catch (error) {
      forget();
      throw error;
    }
  };
  const release = (connection: Connection, engine: number): void => {
    inUse.delete(engine);
    if (inUse.size === 0) connection.end(new EncryptedInferenceError("CLOSED", "The model was closed"));
  };

  return {
    prepare: () => void module().catch(() => undefined),
    async open(start) {
      last += 1;
      const number = last;
      inUse.add(number);
      // The worker starts while the module is fetched and compiled.
      const connecting = (worker ??= connect());
      const compiling = module();
      compiling.catch(() => undefined);
      let connection: Connection;
      try {
        connection = await connecting;
      } catch (error) {
        inUse.delete(number);
        if (fallback) return fallback.open(start);
        throw error;
      }
      try {
        await connection.ask(number, { open: start, module: await compiling });
      } catch (error) {
        release(connection, number);
        throw error;
      }
      return remoteEngine(connection, number, () => release(connection, number));
    },
  };
}

async function firstThatWorks(ways: readonly StartWorker[]): Promise<Connection> {
  let first: unknown;
  for (const start of ways) {
    try {
      return await Connection.open(await start());
    } catch (error) {
      first ??= error;
    }
  }
  throw fromThrown(first, "WORKER");
}

function remoteEngine(connection: Connection, number: number, released: () => void): Engine {
  let open = true;
  const ask = <T>(call: EngineCall, transfer?: Transferable[]): Promise<T> =>
    open
      ? (connection.ask(number, { call }, transfer) as Promise<T>)
      : Promise.reject(new EncryptedInferenceError("CLOSED", "The model was closed"));
  return {
    keyNames: () => ask({ method: "keyNames", parameters: [] }),
    generateKey: (name) => ask({ method: "generateKey", parameters: [name] }),
    encrypt: (values, samples) => ask({ method: "encrypt", parameters: [values, samples] }, [values.buffer]),
    decrypt(result, samples) {
      // The caller keeps it, so that a copy goes over: one, where cloning makes two.
      const copy = new Uint8Array(result);
      return ask({ method: "decrypt", parameters: [copy, samples] }, [copy.buffer]);
    },
    secret: () => ask({ method: "secret", parameters: [] }),
    async close() {
      if (!open) return;
      open = false;
      // Wiping the key first; a worker that has failed has nothing to wipe.
      await connection.ask(number, { close: true }).catch(() => undefined);
      released();
    },
  };
}
