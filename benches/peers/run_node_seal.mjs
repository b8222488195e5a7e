// SEAL in WebAssembly: node-seal in Node.

import { readFile } from "node:fs/promises";
import SEAL from "node-seal/throws";

const { version } = JSON.parse(await readFile(new URL("node_modules/node-seal/package.json", import.meta.url)));
const seal = await SEAL();

// Name, log2 N, bits of Q's first prime, of the others, how many of those.
const SETS = [
  ["P1", 13, 50, 30, 3],
  ["P2", 14, 60, 40, 7],
  ["P3", 15, 60, 40, 18],
];

// The same for all programs: milliseconds before anything counts, milliseconds and numbers of runs that count.
const WARM_UP = 30;
const MILLISECONDS = 150;
const RUNS = [7, 101];

function medianMicros(call) {
  const timed = () => {
    const begun = performance.now();
    call();
    return performance.now() - begun;
  };
  const begun = performance.now();
  let last = timed();
  while (performance.now() - begun < WARM_UP) last = timed();
  const length = Math.max(RUNS[0], Math.min(RUNS[1], Math.trunc(MILLISECONDS / last)));
  const times = Array.from({ length }, timed);
  return times.sort((a, b) => a - b)[length >> 1] * 1e3;
}

function precisionBits(found, expected) {
  const error = expected.reduce((worst, value, i) => Math.max(worst, Math.abs(value - found[i])), 0);
  if (!(error < 1e-3)) throw new Error(`a result is wrong by ${error}`);
  return -Math.log2(error);
}

for (const [set, logDegree, first, bits, depth] of SETS) {
  const degree = 1 << logDegree;
  const sizes = [first, ...Array(depth).fill(bits), 60];
  const parameters = new seal.EncryptionParameters(seal.SchemeType.ckks);
  parameters.setPolyModulusDegree(degree);
  parameters.setCoeffModulus(seal.CoeffModulus.Create(degree, Int32Array.from(sizes)));
  const context = new seal.SEALContext(parameters, true, seal.SecLevelType.tc128);
  if (!context.parametersSet()) throw new Error(`SEAL refuses ${set}`);
  const logQp = sizes.reduce((sum, size) => sum + size, 0);

  const keygen = new seal.KeyGenerator(context);
  const secret = keygen.secretKey();
  const encryptor = new seal.Encryptor(context, keygen.createPublicKey());
  encryptor.setSecretKey(secret);
  const decryptor = new seal.Decryptor(context, secret);
  const encoder = new seal.CKKSEncoder(context);
  const evaluator = new seal.Evaluator(context);
  const scale = 2 ** bits;
  const values = Float64Array.from({ length: degree / 2 }, (_, i) => Math.sin(i));
  const squares = values.map((value) => value * value);
  const rotated = values.map((_, i) => values[(i + 1) % values.length]);

  const [plain, decrypted] = [new seal.Plaintext(), new seal.Plaintext()];
  const [ciphertext, out, coefficients] = [new seal.Ciphertext(), new seal.Ciphertext(), new seal.Ciphertext()];
  encoder.encode(values, scale, plain);
  encryptor.encryptSymmetric(plain, ciphertext);
  const relinearization = keygen.createRelinKeys();
  const galois = keygen.createGaloisKeysWithSteps(Int32Array.from([1]));

  const decrypt = (source) => {
    decryptor.decrypt(source, decrypted);
    return encoder.decodeFloat64(decrypted);
  };
  const print = (operation, value, precision = null) => {
    const line = { program: `node-seal ${version}`, set, operation, value, precision_bits: precision };
    console.log(JSON.stringify({ ...line, log_qp: logQp, depth, scale_bits: bits }));
  };
  const report = (operation, call, expected, result) => {
    const micros = medianMicros(call);
    print(operation, micros, expected ? precisionBits(result(), expected) : null);
  };
  evaluator.cipherTransformFromNtt(ciphertext, coefficients);
  const transforms = medianMicros(() => evaluator.cipherTransformToNtt(coefficients, out));
  print("forward transform, 30 bits of modulus", (transforms / (2 * (logQp - 60))) * 30);
  report("encode", () => encoder.encode(values, scale, plain));
  report("decode", () => encoder.decodeFloat64(plain), values, () => encoder.decodeFloat64(plain));
  report("encrypt symmetrically", () => encryptor.encryptSymmetric(plain, ciphertext), values, () => decrypt(ciphertext));
  report("decrypt and decode", () => decrypt(ciphertext), values, () => decrypt(ciphertext));
  report("make one Galois key", () => keygen.createGaloisKeysWithSteps(Int32Array.from([1])).delete());
  report("rotate", () => evaluator.rotateVector(ciphertext, 1, galois, out), rotated, () => decrypt(out));
  const multiply = () => {
    evaluator.multiply(ciphertext, ciphertext, out);
    evaluator.relinearizeInplace(out, relinearization);
    evaluator.rescaleToNextInplace(out);
  };
  report("multiply, relinearize, rescale", multiply, squares, () => decrypt(out));
  // With the compression that SEAL has for what it writes, which is its default, and which makes it smaller here.
  const bytes = (what) => what.saveToArray(seal.ComprModeType.zstd).length;
  const step = Int32Array.from([1]);
  print("bytes of a fresh ciphertext", bytes(ciphertext));
  print("bytes of a fresh ciphertext, seeded", bytes(encryptor.encryptSymmetricSerializable(plain)));
  print("bytes of one Galois key", bytes(keygen.createGaloisKeysWithSteps(step)));
  print("bytes of one Galois key, seeded", bytes(keygen.createGaloisKeysSerializableWithSteps(step)));
  report("multiply by plaintext", () => evaluator.multiplyPlain(ciphertext, plain, out), squares, () => decrypt(out));
}
