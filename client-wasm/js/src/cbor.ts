import { decode, encode } from "cborg";

/** Writes a body. Byte arrays become byte strings. Nothing else is left with what was written, which may be a secret key. */
export function toCbor(value: unknown): Uint8Array<ArrayBuffer> {
  // It may be a part of memory that others share.
  const written = encode(value);
  const bytes = new Uint8Array(written);
  written.fill(0);
  return bytes;
}

/** Reads a body strictly: no repeated names, nothing after the end. */
export function fromCbor(bytes: Uint8Array): unknown {
  return decode(bytes, { strict: true, rejectDuplicateMapKeys: true });
}
