import { fromCbor, toCbor } from "./cbor.js";
import { EncryptedInferenceError } from "./errors.js";
import { isIdentifier } from "./identifier.js";
import type { ModelInfo, ParameterSet } from "./types.js";

const KEYS = "encrypted-inference-keys/1";
const INPUT = "encrypted-inference-input/1";
const OUTPUT = "encrypted-inference-output/1";

/** A secret key with all it takes to use it, without a server too. */
export interface KeyBundle {
  model: ModelInfo;
  parameters: ParameterSet;
  secret: Uint8Array;
  /** Names the secret key. */
  secretId: string;
  /** The set of its evaluation keys on the server. */
  keyId: string | undefined;
}

/** An encrypted input on its way to a server. */
export interface InputBundle {
  model_id: string;
  version: string;
  key_id: string | undefined;
  /** The secret key that it is encrypted with. */
  secret_id: string;
  /** Names the request: sent twice, it is carried out once. */
  request: string;
  payloads: Uint8Array[];
  /** Samples that share the payloads. */
  samples: number;
}

/** An encrypted output on its way back. */
export interface OutputBundle {
  /** The secret key that it can be decrypted with. */
  secret_id: string;
  payload: Uint8Array;
  /** Samples that share the payload. */
  samples: number;
}

export const packKeys = ({ model, parameters, secret, secretId, keyId }: KeyBundle): Uint8Array<ArrayBuffer> =>
  toCbor({ format: KEYS, model, parameters, secret, secret_id: secretId, ...(keyId && { key_id: keyId }) });

/** Reads what `exportKeys` gave. */
export function unpackKeys(bytes: Uint8Array): KeyBundle {
  const { model, parameters, secret, secret_id, key_id } = read(bytes, KEYS, "INVALID_KEYS", "exported keys");
  const isWhole = isObject(model) && isObject(parameters) && isBytes(secret) && isText(secret_id) && (key_id === undefined || isIdentifier(key_id));
  if (!isWhole) throw new EncryptedInferenceError("INVALID_KEYS", "The exported keys are incomplete");
  return { model: model as ModelInfo, parameters: parameters as ParameterSet, secret, secretId: secret_id, keyId: key_id as string | undefined };
}

export const packInput = (bundle: InputBundle): Uint8Array<ArrayBuffer> => toCbor({ format: INPUT, ...bundle });

/** Reads what `encrypt` gave. */
export function unpackInput(bytes: Uint8Array): InputBundle {
  const found = read(bytes, INPUT, "INVALID_BYTES", "an encrypted input");
  const { payloads, samples, request, model_id, version, secret_id, key_id } = found;
  const isNamed = [request, model_id, version, secret_id, key_id ?? ""].every(isText);
  const isWhole = isNamed && Array.isArray(payloads) && payloads.every(isBytes) && isCount(samples);
  if (!isWhole) throw new EncryptedInferenceError("INVALID_BYTES", "The encrypted input is incomplete");
  return found as unknown as InputBundle;
}

export const packOutput = (bundle: OutputBundle): Uint8Array<ArrayBuffer> => toCbor({ format: OUTPUT, ...bundle });

/** Reads what `api.send` gave. */
export function unpackOutput(bytes: Uint8Array): OutputBundle {
  const found = read(bytes, OUTPUT, "INVALID_BYTES", "an encrypted output");
  const { secret_id, payload, samples } = found;
  const isWhole = isText(secret_id) && isBytes(payload) && isCount(samples);
  if (!isWhole) throw new EncryptedInferenceError("INVALID_BYTES", "The encrypted output is incomplete");
  return found as unknown as OutputBundle;
}

const isText = (value: unknown): value is string => typeof value === "string";
const isBytes = (value: unknown): value is Uint8Array => value instanceof Uint8Array;
const isObject = (value: unknown): boolean => typeof value === "object" && value !== null;
const isCount = (value: unknown): boolean => Number.isInteger(value) && (value as number) > 0;

function read(bytes: Uint8Array, format: string, code: "INVALID_KEYS" | "INVALID_BYTES", what: string): Record<string, unknown> {
  let value: unknown;
  try {
    // They may come from another realm, a frame or a test's sandbox, whose classes are not those of here.
    value = fromCbor(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  } catch (cause) {
    throw new EncryptedInferenceError(code, `These bytes are not ${what}`, { cause });
  }
  const found = (value as { format?: unknown } | null)?.format;
  if (found !== format) throw new EncryptedInferenceError(code, `Expected ${what} (${format}), found ${String(found)}`);
  return value as Record<string, unknown>;
}
