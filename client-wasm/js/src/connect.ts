import { EncryptedInferenceError } from "./errors.js";
import { type Transport, send } from "./http.js";
import { openLocal } from "./local.js";
import { Model } from "./model.js";
import { openRemote } from "./remote.js";
import type { ModelInfo, ParameterSet } from "./types.js";

/** Options of `connect`. */
export interface ConnectOptions {
  /** Bearer token, if the server wants one. */
  token?: string;
  /** Used in place of the platform's `fetch`. */
  fetch?: typeof fetch;
  signal?: AbortSignal;
}

/** Options of `api.model`. */
export interface ModelOptions {
  /** The newest if not set. */
  version?: string;
  /** A secret key from `model.exportSecret()`. */
  secret?: Uint8Array;
  /** The evaluation keys that were uploaded for it. */
  keyId?: string;
}

/** The major version of the protocol that this package speaks. */
const MAJOR = "1.";

/** Asks a server what it offers. */
export async function connect(url: string | URL, options: ConnectOptions = {}): Promise<Api> {
  const base = String(url).replace(/\/+$/, "");
  const transport: Transport = { url: base, fetch: options.fetch ?? ((input, init) => fetch(input, init)) };
  if (options.token) transport.token = options.token;
  const { signal } = options;
  const [models, sets] = await Promise.all([
    send<{ api_version: string; models: ModelInfo[] }>(transport, { method: "GET", path: "/models", signal }),
    send<{ parameter_sets: ParameterSet[] }>(transport, { method: "GET", path: "/keys", signal }),
  ]);
  const version = models.body?.api_version;
  if (!version?.startsWith(MAJOR) || !Array.isArray(models.body.models) || !Array.isArray(sets.body?.parameter_sets)) {
    const message = `expected a server of version ${MAJOR}x of the protocol, found ${version ?? "none"}`;
    throw new EncryptedInferenceError("UNEXPECTED_ANSWER", message);
  }
  return new Api(transport, models.body.models, sets.body.parameter_sets);
}

/** A server. */
export class Api {
  readonly #transport: Transport;

  /** @internal */
  constructor(
    transport: Transport,
    /** The models that the server offers. */
    readonly models: readonly ModelInfo[],
    /** The parameter sets that they use. */
    readonly parameterSets: readonly ParameterSet[],
  ) {
    this.#transport = transport;
  }

  /**
   * Makes a secret key for a model, or goes on with one that was kept. In browsers it lives in a
   * worker, which does all heavy work.
   */
  async model(name: string, options: ModelOptions = {}): Promise<Model> {
    const { version, secret, keyId } = options;
    const named = this.models.filter((model) => model.model_id === name);
    const info = version ? named.find((model) => model.version === version) : newest(named);
    if (!info) {
      const offered = this.models.map((model) => `${model.model_id} ${model.version}`).join(", ");
      const message = `the server has no model ${name}${version ? ` ${version}` : ""}; it has ${offered || "none"}`;
      throw new EncryptedInferenceError("UNKNOWN_MODEL", message);
    }
    const { params_id } = info.encryption_parameters;
    const parameters = this.parameterSets.find((set) => set.params_id === params_id);
    if (!parameters) {
      throw new EncryptedInferenceError("UNEXPECTED_ANSWER", `the server does not publish the parameters ${params_id}`);
    }
    const start = { model: info, parameters, ...(secret && { secret }) };
    const engine = await (isWeb() ? openRemote(start) : openLocal(start));
    return new Model(this.#transport, engine, info, parameters, keyId);
  }
}

/** Tells whether this is a page or its worker: libraries for Node define a `Worker` of another kind. */
function isWeb(): boolean {
  return typeof Worker === "function" && ("document" in globalThis || "WorkerGlobalScope" in globalThis);
}

/** The highest semantic version; pre-releases are not told apart. */
function newest(models: ModelInfo[]): ModelInfo | undefined {
  const collator = new Intl.Collator("en", { numeric: true });
  return [...models].sort((a, b) => collator.compare(b.version, a.version))[0];
}
