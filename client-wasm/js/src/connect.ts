import { platform } from "#platform";

import { LARGEST_OFFER, largestAnswer } from "./body.js";
import { type KeyBundle, unpackInput, unpackKeys } from "./bundle.js";
import type { Engine, Engines } from "./engine/engine.js";
import { localEngines } from "./engine/local.js";
import { remoteEngines } from "./engine/remote.js";
import { EncryptedInferenceError, fromThrown } from "./errors.js";
import { type Transport, send } from "./http.js";
import { type EncryptedOutput, type InferOptions, sendInput } from "./infer.js";
import { KeptKey } from "./kept.js";
import { Model } from "./model.js";
import { type ModuleSource, compile } from "./platform/platform.js";
import { checkSecure } from "./secure.js";
import { SecretKey } from "./secret-key.js";
import { type KeyStore, browserStore } from "./store.js";
import { Credentials, type TokenSource } from "./token.js";
import type { EncryptedInput, ModelInfo, ParameterSet } from "./types.js";
import { KeySetUpload } from "./upload.js";

/** Where the heavy work is done, and from what. */
export interface EngineOptions {
  /**
   * `true`: in a Web Worker that this package starts, the default in browsers; where none can be started, in this
   * thread. `false`: in this thread. A function that starts a worker of your own: its script imports
   * `encrypted-inference/worker`.
   */
  worker?: boolean | (() => Worker);
  /** The WebAssembly module, or where it is, if it is not beside the package's scripts. */
  wasm?: ModuleSource | Promise<ModuleSource>;
}

/** Options of `connect`. */
export interface ConnectOptions extends EngineOptions {
  /** Bearer token, if the server wants one; or a function that gives one, called again when the server refuses it. */
  token?: TokenSource;
  /** Sends the token over plain HTTP too, for everybody between here and the server to read; to this machine it always is. */
  allowInsecure?: boolean;
  /** Used in place of the platform's `fetch`. */
  fetch?: typeof fetch;
  /** Milliseconds to wait for an answer before an attempt is given up; 60 seconds if not set. */
  timeout?: number;
  /** How often a request is sent again after failures that can go away; 5 if not set. */
  retries?: number;
  /**
   * Milliseconds that a server may ask to wait (`Retry-After`) before a request is sent again; 60 seconds if not set.
   * Where it asks for more, the call fails at once, and the error's `retryAfter` says for how much.
   */
  maxRetryAfter?: number;
  /** Gives up. */
  signal?: AbortSignal;
}

/** Options of `api.model`. */
export interface ModelOptions {
  /** The newest if not set. */
  version?: string;
  /** Keys from `model.exportKeys()`. */
  keys?: Uint8Array;
  /**
   * Keeps the keys between visits, and goes on with those that were kept. `true`: in this browser's IndexedDB,
   * encrypted with a key that cannot be exported. Or a store of your own.
   */
  keep?: boolean | KeyStore;
}

/** The major version of the protocol that this package speaks. */
const MAJOR = "1.";
/** How long a server is given to answer; longer than it is asked to wait for a job. */
const TIMEOUT = 60_000;
const RETRIES = 5;
const MAX_RETRY_AFTER = 60_000;

/**
 * Asks a server what it offers.
 *
 * @param url The server's address; the protocol's paths are appended to it.
 */
export async function connect(url: string | URL, options: ConnectOptions = {}): Promise<Api> {
  const { token, signal, timeout = TIMEOUT, retries = RETRIES, maxRetryAfter = MAX_RETRY_AFTER } = options;
  const transport: Transport = {
    url: String(url).replace(/\/+$/, ""),
    fetch: options.fetch ?? platform.fetch,
    timeout,
    retries,
    largestAnswer: LARGEST_OFFER,
    maxRetryAfter,
    credentials: new Credentials(token),
  };
  if (token && !options.allowInsecure) checkSecure(transport.url);
  const engines = enginesFor(options);
  // Where a model is wanted the module is too: it is fetched and compiled while the server is asked.
  engines.prepare();
  const [models, sets] = await Promise.all([
    send<{ api_version: string; models: ModelInfo[] }>(transport, { method: "GET", path: "/models", revalidates: true, signal }),
    send<{ parameter_sets: ParameterSet[] }>(transport, { method: "GET", path: "/keys", revalidates: true, signal }),
  ]);
  const version = models.body?.api_version;
  if (!version?.startsWith(MAJOR) || !Array.isArray(models.body.models) || !Array.isArray(sets.body?.parameter_sets)) {
    const message = `Expected a server of version ${MAJOR}x of the protocol, found ${version ?? "none"}`;
    throw new EncryptedInferenceError("UNEXPECTED_ANSWER", message);
  }
  return new Api(transport, engines, models.body.models, sets.body.parameter_sets);
}

/**
 * Opens exported keys without a server: `encrypt` for sending later, `decrypt` what others have sent for you.
 * Calls that need a server are refused with the code `OFFLINE`.
 */
export async function openKeys(keys: Uint8Array, options: EngineOptions = {}): Promise<Model> {
  const bundle = unpackKeys(keys);
  const { model: info, parameters, secretId, keyId } = bundle;
  const engines = enginesFor(options);
  const engine = await open(engines, info, parameters, bundle);
  const key = new SecretKey(secretId, engine, undefined, keyId);
  return new Model({ info, parameters, engines, key, transport: undefined, kept: undefined });
}

/** A server. `connect` makes them. */
export class Api {
  readonly #transport: Transport;
  readonly #engines: Engines;

  /** @internal */
  constructor(
    transport: Transport,
    engines: Engines,
    /** The models that the server offers. */
    readonly models: readonly ModelInfo[],
    /** The parameter sets that they use. */
    readonly parameterSets: readonly ParameterSet[],
  ) {
    this.#transport = transport;
    this.#engines = engines;
  }

  /** Makes a secret key for a model, or goes on with one that was kept or exported. */
  async model(name: string, options: ModelOptions = {}): Promise<Model> {
    const { version, keys, keep } = options;
    const info = this.#find(name, version);
    const { params_id } = info.encryption_parameters;
    const parameters = this.parameterSets.find((set) => set.params_id === params_id);
    if (!parameters) {
      throw new EncryptedInferenceError("INVALID_ANSWER", `The server does not publish the parameters ${params_id}`);
    }
    const store = keep === true ? browserStore() : keep || undefined;
    const kept = store && new KeptKey(store, `${this.#transport.url} ${info.model_id} ${info.version} ${params_id}`);
    const transport = this.#transportFor(info);
    const opened = async (): Promise<SecretKey> => {
      const bundle = keys ? unpackKeys(keys) : await kept?.load();
      const engine = await open(this.#engines, info, parameters, bundle);
      const key = new SecretKey(bundle?.secretId ?? crypto.randomUUID(), engine, new KeySetUpload(transport, info, bundle?.keyId));
      try {
        if (keys || !bundle) await kept?.write(key, info, parameters);
      } catch (error) {
        await engine.close();
        throw error;
      }
      return key;
    };
    // Of clients that come at the same time the first one makes a key, and the others go on with it.
    const key = await (kept ? kept.alone(opened) : opened());
    return new Model({ info, parameters, engines: this.#engines, key, transport, kept });
  }

  /**
   * Sends what `model.encrypt` gave. Needs no key; `model.decrypt` reads the answer.
   *
   * Sent twice, an input makes one job: the bytes carry the name of the request. Where that job failed, or is gone, the
   * input is sent once more under a new name, at each call. A `deadline` is a part of the request: give the same one.
   */
  async send(input: EncryptedInput | Uint8Array, options: InferOptions = {}): Promise<EncryptedOutput> {
    const bundle = unpackInput(ArrayBuffer.isView(input) ? input : input.input);
    const info = this.models.find(({ model_id, version }) => model_id === bundle.model_id && version === bundle.version);
    return sendInput(this.#transportFor(info), bundle, options);
  }

  /** Reads answers about a model, as long as its results are. */
  #transportFor(info: ModelInfo | undefined): Transport {
    return { ...this.#transport, largestAnswer: largestAnswer(info?.sizes?.result_bytes) };
  }

  #find(name: string, version: string | undefined): ModelInfo {
    const named = this.models.filter((model) => model.model_id === name);
    const info = version ? named.find((model) => model.version === version) : newest(named);
    if (info) return info;
    const offered = this.models.map((model) => `${model.model_id} ${model.version}`).join(", ");
    const wanted = `${name}${version ? ` ${version}` : ""}`;
    throw new EncryptedInferenceError("UNKNOWN_MODEL", `The server has no model ${wanted}; it has ${offered || "none"}`);
  }
}

function enginesFor({ worker = true, wasm }: EngineOptions): Engines {
  let compiled: Promise<WebAssembly.Module> | undefined;
  // Compiled once; a failure is tried again at the next call.
  const module = (): Promise<WebAssembly.Module> => {
    compiled ??= (wasm ? compile(wasm) : platform.module()).catch((error: unknown) => {
      compiled = undefined;
      const reason = error instanceof Error ? error.message : String(error);
      throw new EncryptedInferenceError("MODULE", `The WebAssembly module cannot be loaded: ${reason}`, { cause: error });
    });
    return compiled;
  };
  const local = localEngines(module);
  if (typeof worker === "function") return remoteEngines(module, [worker]);
  return worker && platform.workers.length > 0 ? remoteEngines(module, platform.workers, local) : local;
}

/** Opens an engine with a new secret key, or with one that fits the model; wipes the bytes of that. */
async function open(engines: Engines, model: ModelInfo, parameters: ParameterSet, bundle: KeyBundle | undefined): Promise<Engine> {
  const secret = bundle?.secret;
  try {
    if (bundle) checkFits(bundle, model);
    return await engines.open({ model, parameters, ...(secret && { secret }) });
  } catch (thrown) {
    throw fromThrown(thrown, "ENGINE");
  } finally {
    secret?.fill(0);
  }
}

function checkFits({ model }: KeyBundle, info: ModelInfo): void {
  const describe = ({ model_id, version, encryption_parameters: { params_id } }: ModelInfo): string =>
    `${model_id} ${version} with parameters ${params_id?.slice(0, 8)}`;
  const [expected, found] = [describe(info), describe(model)];
  if (expected === found) return;
  const code = model.model_id === info.model_id ? "KEYS_OUTDATED" : "KEYS_MISMATCH";
  throw new EncryptedInferenceError(code, `The keys are for ${found}, the server has ${expected}`);
}

/** The highest semantic version; pre-releases are not told apart. */
function newest(models: ModelInfo[]): ModelInfo | undefined {
  const collator = new Intl.Collator("en", { numeric: true });
  return [...models].sort((a, b) => collator.compare(b.version, a.version))[0];
}
