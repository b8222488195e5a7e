import { decode, encode } from "cborg";

/** Writes a body. Byte arrays become byte strings. */
export function toCbor(value: unknown): Uint8Array<ArrayBuffer> {
  return new Uint8Array(encode(value));
}

/** Reads a body strictly: no repeated names, nothing after the end. */
export function fromCbor(bytes: Uint8Array): unknown {
  return decode(bytes, { strict: true, rejectDuplicateMapKeys: true });
}
