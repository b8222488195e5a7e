// Reads the few fields of an ONNX file that the shipped models use.
// Source: onnx.proto3 of the ONNX project (field numbers); Protocol Buffers, "Encoding".

const text = new TextDecoder();

/** The fields of a message: for each number, its values in order. */
function fields(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = new Map();
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = view.getUint8(at);
      at += 1;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asIntN(64, value);
    }
  };
  const skip = (length) => {
    at += length;
    return bytes.subarray(at - length, at);
  };
  const readers = { 0: varint, 1: () => skip(8), 2: () => skip(Number(varint())), 5: () => skip(4) };
  while (at < bytes.length) {
    const tag = Number(varint());
    const value = readers[tag & 7]();
    found.set(tag >> 3, [...(found.get(tag >> 3) ?? []), value]);
  }
  return found;
}

const all = (message, field) => message.get(field) ?? [];
const string = (message, field) => text.decode(all(message, field)[0] ?? new Uint8Array());
const number = (bytes) => new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);

/** Repeated integers, packed or one by one. */
function integers(message, field) {
  return all(message, field).flatMap((value) => {
    if (typeof value === "bigint") return [Number(value)];
    const numbers = [];
    let part = 0;
    let scale = 1;
    for (const byte of value) {
      part += (byte & 127) * scale;
      scale *= 128;
      if (byte < 128) {
        numbers.push(part);
        [part, scale] = [0, 1];
      }
    }
    return numbers;
  });
}

function tensor(bytes) {
  const message = fields(bytes);
  const shape = integers(message, 1);
  const [type] = integers(message, 2);
  const raw = all(message, 9)[0]?.slice();
  const packed = all(message, 4)[0]?.slice();
  const data = {
    1: () => new Float32Array((raw ?? packed).buffer),
    7: () => (raw ? Array.from(new BigInt64Array(raw.buffer), Number) : integers(message, 7)),
  }[type]?.();
  if (!data) throw new Error(`expected a tensor of float32 or int64, found type ${type}`);
  return { name: string(message, 8), shape, data };
}

function attribute(bytes) {
  const message = fields(bytes);
  const [float] = all(message, 2);
  const value = {
    1: () => number(float),
    2: () => integers(message, 3)[0],
    3: () => string(message, 4),
    4: () => tensor(all(message, 5)[0]),
    7: () => integers(message, 8),
    6: () => all(message, 7).map(number),
  }[integers(message, 20)[0]]?.();
  return [string(message, 1), value];
}

/** Reads a model: its nodes in order, its constants, the names of its input and output. */
export function readOnnx(bytes) {
  const graph = fields(all(fields(bytes), 7)[0]);
  const names = (field) => all(graph, field).map((value) => string(fields(value), 1));
  const constants = new Map(all(graph, 5).map((value) => tensor(value)).map((each) => [each.name, each]));
  return {
    nodes: all(graph, 1).map((value) => {
      const node = fields(value);
      return {
        op: string(node, 4),
        inputs: all(node, 1).map((name) => text.decode(name)),
        outputs: all(node, 2).map((name) => text.decode(name)),
        attributes: Object.fromEntries(all(node, 5).map(attribute)),
      };
    }),
    constants,
    input: names(11).find((name) => !constants.has(name)),
    output: names(12)[0],
  };
}
