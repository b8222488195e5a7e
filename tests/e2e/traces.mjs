// Looks for what must not leave a client among the bytes that did.

/** Bytes before the seed of an exported secret key: magic, version, kind, parameters; public. */
const HEADER = 52;
/** Shorter pieces turn up by chance: among six million bytes four given ones do once in 700 times. */
const PIECE = 8;
/** Fewer bytes than this, zeros not counted, say nothing: round numbers are such. */
const TELLING = 4;

/**
 * Every trace of a secret key and of numbers in `sent`: the key in pieces, numbers as text and as
 * floating-point bytes, rows of grey values as bytes. None if all is well.
 */
export function traces(sent, { numbers = [], grey = [], secret }) {
  const found = [];
  const look = (what, bytes) => sent.indexOf(bytes) >= 0 && found.push(what);
  const seed = Buffer.from(secret).subarray(HEADER);
  if (seed.length < PIECE) throw new Error(`expected the seed of a secret key, found ${seed.length} bytes`);
  for (let i = 0; i + PIECE <= seed.length; i += 1) look(`byte ${i} of the secret key`, seed.subarray(i, i + PIECE));
  numbers.forEach((number, i) => {
    const single = Buffer.from(Float64Array.of(number).buffer);
    if (isTelling(single)) look(`number ${i} in double precision`, single);
    const pair = Buffer.from(Float32Array.from(numbers.slice(i, i + 2)).buffer);
    if (pair.length === PIECE && isTelling(pair)) look(`numbers ${i} and ${i + 1} in single precision`, pair);
    if (String(number).length > TELLING) look(`number ${i} as text`, String(number));
  });
  for (let i = 0; i + PIECE <= grey.length; i += PIECE) {
    const bytes = Buffer.from(grey.slice(i, i + PIECE));
    if (isTelling(bytes)) look(`pixels ${i} to ${i + PIECE}`, bytes);
  }
  return found;
}

const isTelling = (bytes) => bytes.filter((byte) => byte !== 0).length >= TELLING;
