// Looks for what must not leave a client among the bytes that did.

/** Bytes before the seed of an exported secret key: magic, version, kind, parameters; public. */
const HEADER = 52;
/** Shorter pieces turn up by chance. */
const PIECE = 8;
/** Fewer bytes than this, zeros not counted, say nothing: round numbers are such. */
const TELLING = 4;

/**
 * Every trace of a secret key and of numbers in `sent`: the key in pieces, each number as text and as
 * floating-point bytes, rows of grey values as bytes. None if all is well.
 */
export function traces(sent, { numbers = [], grey = [], secret }) {
  const found = [];
  const look = (what, bytes) => sent.indexOf(bytes) >= 0 && found.push(what);
  const seed = Buffer.from(secret).subarray(HEADER);
  if (seed.length < PIECE) throw new Error(`expected the seed of a secret key, found ${seed.length} bytes`);
  for (let i = 0; i + PIECE <= seed.length; i += 1) look(`byte ${i} of the secret key`, seed.subarray(i, i + PIECE));
  for (const number of numbers) {
    for (const array of [Float64Array.of(number), Float32Array.of(number)]) {
      const bytes = Buffer.from(array.buffer);
      if (isTelling(bytes)) look(`${number} as a number`, bytes);
    }
    if (String(number).length > TELLING) look(`${number} as text`, String(number));
  }
  for (let i = 0; i + PIECE <= grey.length; i += PIECE) {
    const bytes = Buffer.from(grey.slice(i, i + PIECE));
    if (isTelling(bytes)) look(`pixels ${i} to ${i + PIECE}`, bytes);
  }
  return found;
}

const isTelling = (bytes) => bytes.filter((byte) => byte !== 0).length >= TELLING;
