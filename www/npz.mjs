// Reads NumPy's .npz, a zip file of .npy arrays, as far as the shipped samples need it.
// Source: PKWARE, APPNOTE.TXT 6.3 (central directory); numpy.lib.format, version 1.0.

import { inflateRawSync } from "node:zlib";

const CENTRAL = 0x02014b50;
const END = 0x06054b50;

/** The arrays of a file by name: `{ shape, data }`. */
export function readNpz(bytes) {
  const end = bytes.lastIndexOf(Buffer.from(Uint32Array.of(END).buffer));
  if (end < 0) throw new Error("this is no zip file");
  const arrays = {};
  let at = bytes.readUInt32LE(end + 16);
  while (bytes.readUInt32LE(at) === CENTRAL) {
    const [method, size] = [bytes.readUInt16LE(at + 10), bytes.readUInt32LE(at + 20)];
    const [nameLength, extra, comment] = [28, 30, 32].map((offset) => bytes.readUInt16LE(at + offset));
    const local = bytes.readUInt32LE(at + 42);
    const name = bytes.toString("utf8", at + 46, at + 46 + nameLength);
    const start = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
    const content = bytes.subarray(start, start + size);
    arrays[name.replace(/\.npy$/, "")] = readNpy(method === 8 ? inflateRawSync(content) : content);
    at += 46 + nameLength + extra + comment;
  }
  return arrays;
}

function readNpy(bytes) {
  const length = bytes.readUInt16LE(8);
  const header = bytes.toString("latin1", 10, 10 + length);
  const type = /'descr': '([^']+)'/.exec(header)?.[1];
  const shape = /'shape': \(([^)]*)\)/.exec(header)[1].split(",").filter((text) => text.trim()).map(Number);
  if (!header.includes("'fortran_order': False")) throw new Error("expected an array in row-major order");
  const body = bytes.subarray(10 + length);
  const buffer = body.buffer.slice(body.byteOffset, body.byteOffset + body.length);
  const read = {
    "<f4": () => new Float32Array(buffer),
    "<f8": () => new Float64Array(buffer),
    "<i8": () => Array.from(new BigInt64Array(buffer), Number),
    "<i4": () => new Int32Array(buffer),
    "|u1": () => new Uint8Array(buffer),
  }[type];
  if (!read) throw new Error(`cannot read an array of ${type}`);
  return { shape, data: read() };
}
