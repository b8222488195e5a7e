import { fromCbor, toCbor } from "./cbor.js";
import { EncryptedInferenceError } from "./errors.js";
import { isIdentifier } from "./identifier.js";
import type { ModelInfo, ParameterSet } from "./types.js";

const KEYS = "encrypted-inference-keys/1";
const INPUT = "encrypted-inference-input/1";

/** A secret key with all it takes to use it, without a server too. */
export interface KeyBundle {
  model: ModelInfo;
  parameters: ParameterSet;
  secret: Uint8Array;
  keyId: string | undefined;
}

/** An encrypted input on its way to a server. */
export interface InputBundle {
  model_id: string;
  version: string;
  key_id: string | undefined;
  /** Names the request: sent twice, it is carried out once. */
  request: string;
  payloads: Uint8Array[];
  /** Samples that share the payloads. */
  samples: number;
}

export const packKeys = (bundle: KeyBundle): Uint8Array<ArrayBuffer> => {
  const { keyId, ...rest } = bundle;
  return toCbor({ format: KEYS, ...rest, ...(keyId && { key_id: keyId }) });
};

/** Reads what `exportKeys` gave. */
export function unpackKeys(bytes: Uint8Array): KeyBundle {
  const { model, parameters, secret, key_id } = read(bytes, KEYS, "INVALID_KEYS", "exported keys");
  const isWhole = typeof model === "object" && typeof parameters === "object" && secret instanceof Uint8Array && (key_id === undefined || isIdentifier(key_id));
  if (!isWhole) throw new EncryptedInferenceError("INVALID_KEYS", "The exported keys are incomplete");
  return { model: model as ModelInfo, parameters: parameters as ParameterSet, secret, keyId: key_id as string | undefined };
}

export const packInput = (bundle: InputBundle): Uint8Array<ArrayBuffer> => toCbor({ format: INPUT, ...bundle });

/** Reads what `encrypt` gave. */
export function unpackInput(bytes: Uint8Array): InputBundle {
  const found = read(bytes, INPUT, "INVALID_BYTES", "an encrypted input");
  const { payloads, samples, request, model_id, version } = found;
  const isNamed = [request, model_id, version].every((text) => typeof text === "string");
  const isWhole = isNamed && Array.isArray(payloads) && Number.isInteger(samples);
  if (!isWhole) throw new EncryptedInferenceError("INVALID_BYTES", "The encrypted input is incomplete");
  return found as unknown as InputBundle;
}

function read(bytes: Uint8Array, format: string, code: "INVALID_KEYS" | "INVALID_BYTES", what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = fromCbor(bytes);
  } catch (cause) {
    throw new EncryptedInferenceError(code, `These bytes are not ${what}`, { cause });
  }
  const found = (value as { format?: unknown } | null)?.format;
  if (found !== format) throw new EncryptedInferenceError(code, `Expected ${what} (${format}), found ${String(found)}`);
  return value as Record<string, unknown>;
}
