// What a caller can do about an error, by its code. The server's half follows the table of docs/api.md, which a
// test compares; an empty text stands for errors whose message says it all.

const CLIENT = {
  NETWORK: "Check the connection and call again: what was done already is not done twice.",
  ABORTED: "",
  TOKEN: "Check the function that was given to `connect` as `token`.",
  UNEXPECTED_ANSWER: "Check the address, which must be that of an encrypted-inference server without a path of its pages, and what stands between client and server.",
  INVALID_ANSWER: "Tell the operator of the server: what it says does not fit together.",
  INSECURE: "Use an address that begins with `https`, or pass `allowInsecure: true` to `connect` where nobody else is on the way.",
  WORKER: "Pass `worker: false` to `connect` to work without a worker, or `worker` and `wasm` with places of your own.",
  ENGINE: "Open the model again; if it stays so, report it to the authors of this package.",
  MODULE: "Serve the package's `wasm` folder beside its `dist` folder, or pass `wasm` to `connect`. A content security policy needs 'wasm-unsafe-eval' in script-src.",
  CLOSED: "Open the model again with `api.model`.",
  OFFLINE: "Open the model with `api.model(name, { keys })` to talk to a server.",
  INPUT_DIMENSION: "`model.info.input` has the shape and the number of elements that the model takes.",
  INPUT_NAMES: "`model.info.input` has the names: `feature_names` of the elements, `name` of the whole tensor.",
  INPUT_VALUE: "Replace missing values by numbers in `model.info.input.range`.",
  INPUT_TYPE: "Pass an array, a typed array, nested arrays of the model's shape, `{ data, shape }`, or numbers by `model.info.input.feature_names`.",
  BATCH_SIZE: "`model.info.constraints.max_batch_size` samples share a request at most; `predictBatch` sends as many requests as it takes.",
  KEYS_MISMATCH: "Pass the keys of this model, or leave `keys` out to make new ones; a `KeyStore` must give what was saved under the name that it is asked for.",
  KEYS_OUTDATED: "Make new keys: leave `keys` out. The old ones still decrypt what they encrypted, with `openKeys`.",
  INVALID_KEYS: "Pass what `model.exportKeys()` gave, unchanged.",
  STORAGE: "Leave `keep` out to hold keys in memory only, or pass a `KeyStore` of your own.",
  UNACCEPTABLE_PARAMETERS: "Do not use this server: its parameters do not protect your input.",
  PARAMS_ID_MISMATCH: "Do not use this server: it names its parameters wrongly.",
  INVALID_MODEL: "Tell the operator of the server.",
  INVALID_BYTES: "Tell the operator of the server, unless the bytes are your own.",
  INVALID_RESULT: "Tell the operator of the server.",
  NO_RANDOMNESS: "Nothing can be encrypted here.",
} as const;

const SERVER = {
  NOT_FOUND: "Check the address that was given to `connect`.",
  METHOD_NOT_ALLOWED: "Check what stands between client and server, and the server's version.",
  UNAUTHORIZED: "Pass a valid `token` to `connect`.",
  RATE_LIMITED: "Send less often; `retryAfter` of the error says how long to wait.",
  NOT_ACCEPTABLE: "Check what stands between client and server, and the server's version.",
  UNSUPPORTED_MEDIA_TYPE: "Check what stands between client and server, and the server's version.",
  PAYLOAD_TOO_LARGE: "Ask the operator for a higher limit, or send smaller batches.",
  OVERLOADED: "The server is busy; try again later.",
  REQUEST_TIMEOUT: "The connection is slow or broke off: call again, what was done already is not done twice.",
  MALFORMED_BODY: "Check what stands between client and server, and the server's version.",
  UNSUPPORTED_API_VERSION: "Update this package, or use a server of version 1 of the protocol.",
  INVALID_ENVELOPE: "Update this package: it and the server disagree about the request.",
  IDEMPOTENCY_CONFLICT: "Encrypt again; this request's name belongs to another one.",
  UNKNOWN_MODEL: "`api.models` lists what the server offers.",
  UNKNOWN_JOB: "The server keeps jobs for a while only: ask again with a new prediction.",
  UNKNOWN_KEY: "Call `model.prepareKeys()`: the server does not have these keys any more.",
  UNKNOWN_KEY_NAME: "Connect again: the model has changed.",
  INVALID_PAYLOAD_ENCODING: "Check what stands between client and server, and the server's version.",
  INVALID_CIPHERTEXT: "Encrypt again, with this package at the server's version.",
  TRANSPARENT_CIPHERTEXT: "Encrypt again: this payload hides nothing.",
  INVALID_KEY: "Call `model.prepareKeys()` again, with this package at the server's version.",
  PARAMETER_MISMATCH: "Connect again and make new keys: the model's parameters have changed.",
  LEVEL_MISMATCH: "Connect again: the model has changed.",
  SCALE_MISMATCH: "Connect again: the model has changed.",
  KEY_CONFLICT: "Make new keys with `model.rotateKeys()`: other keys were uploaded under this name.",
  EVALUATION_KEYS_REQUIRED: "Call `model.prepareKeys()` first.",
  KEY_MODEL_MISMATCH: "Use the keys with the model they were made for, or make new ones.",
  EVALUATION_KEYS_INCOMPLETE: "Call `model.prepareKeys()`: it uploads what is missing.",
  BATCH_TOO_LARGE: "Send at most `model.info.constraints.max_batch_size` samples at once.",
  INPUT_COUNT_MISMATCH: "Connect again: the model has changed.",
  KEY_QUOTA_EXCEEDED: "Delete key sets that are not needed with `model.forget()`, or ask the operator for more.",
  TOO_MANY_JOBS: "Wait for earlier predictions before asking for more.",
  QUEUE_FULL: "The server is busy; try again later.",
  EVALUATION_FAILED: "Try again; if it stays so, tell the operator of the server.",
  DEADLINE_EXCEEDED: "Try again later, when the server has less to do.",
  NOT_READY: "Try again in a moment.",
  STORE_UNAVAILABLE: "Try again in a moment; if it stays so, tell the operator of the server.",
  INTERNAL: "Try again; if it stays so, tell the operator of the server.",
} as const;

/** What this package itself can find wrong. */
export type ClientCode = keyof typeof CLIENT;
/** What a server can find wrong, by the table of errors of the protocol. */
export type ServerCode = keyof typeof SERVER;

/** Every code that this package knows. A newer server can have more. */
export const CODES: readonly (ClientCode | ServerCode)[] = Object.freeze([
  ...(Object.keys(CLIENT) as ClientCode[]),
  ...(Object.keys(SERVER) as ServerCode[]),
]);

/** What a caller can do about an error. */
export function adviceFor(code: string): string {
  const known: Record<string, string> = { ...SERVER, ...CLIENT };
  return Object.hasOwn(known, code) ? (known[code] ?? "") : "";
}
