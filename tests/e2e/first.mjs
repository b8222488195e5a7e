// From nothing to the first encryption, in a fresh process each time: reads and compiles the module, makes a secret
// key, encrypts. As a program of its own it does that once for the model it is given and prints the milliseconds.

import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(import.meta.url);
const RUNS = 9;

/** The median over fresh processes. */
export function firstEncryption(model) {
  const once = () => Number(execFileSync(process.execPath, [here, model], { encoding: "utf8" }));
  return Array.from({ length: RUNS }, once).sort((a, b) => a - b)[RUNS >> 1];
}

if (process.argv[1] === here) {
  const manifest = JSON.parse(await readFile(new URL(`../../models/${process.argv[2]}/package/manifest.json`, import.meta.url)));
  const input = new Float64Array(manifest.input.dimension).fill(0.5);
  const begun = performance.now();
  const wasm = new URL("../../client-wasm/js/wasm/", import.meta.url);
  const { default: start, Session } = await import(new URL("client_wasm.js", wasm));
  await start({ module_or_path: await readFile(new URL("simd.wasm", wasm)) });
  new Session(manifest, manifest.parameters).encrypt(input);
  console.log(performance.now() - begun);
}
