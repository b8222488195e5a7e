// Builds the page into dist/www: its own scripts bundled, the npm package beside them as it is, since its
// worker and its WebAssembly modules are found at run time by their place in the package.

import { existsSync } from "node:fs";
import { cp, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { readNpz } from "./npz.mjs";
import { readOnnx } from "./src/plain/onnx.js";
import { isKnown } from "./src/plain/run.js";

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(here);
const output = join(root, "dist/www");
const require = createRequire(import.meta.url);
const { build } = require("esbuild");

const PACKAGE = "encrypted-inference";
const packageFolder = dirname(require.resolve(`${PACKAGE}/package.json`));

/** The shipped models: folders with a package. */
const folders = await readdir(join(root, "models"), { withFileTypes: true });
const SHIPPED = folders.filter((entry) => entry.isDirectory() && existsSync(join(root, "models", entry.name, "package/report.json"))).map(({ name }) => name);

/** Those that the page can evaluate on plain numbers, to compare. */
const PLAIN = [];
for (const name of SHIPPED) {
  const file = join(root, "models", name, "model.onnx");
  if (existsSync(file) && isKnown(readOnnx(new Uint8Array(await readFile(file))))) PLAIN.push(name);
}

/** Those that the page has samples of, but for those with a panel of their own. */
const SAMPLED = SHIPPED.filter((name) => !/^(?:mnist|breast_cancer|gloss)_/.test(name) && existsSync(join(root, "models", name, "samples.npz")));
/** What the panel of words loads when it is shown. */
const WORDS = ["vocabulary.txt", "embedder.bin", "definitions.json", "examples.json", "LICENSE.wordnet.txt"];
const MOST_SAMPLES = 12;
const EACH_CLASS = 4;

/** Leaves the package out of the bundle, under an address that a browser understands. */
const besideThePage = {
  name: "beside-the-page",
  setup: ({ onResolve }) =>
    onResolve({ filter: new RegExp(`^${PACKAGE}$`) }, () => ({
      path: `./${PACKAGE}/dist/index.js`,
      external: true,
    })),
};

const read = async (path) => JSON.parse(await readFile(join(root, "models", path), "utf8"));

/** What the page shows of a model that its server does not publish. */
async function figures(name) {
  const { accuracy, precision } = await read(`${name}/package/report.json`);
  return [name, { ...accuracy, asked_bits: precision.asked_bits }];
}

/** Samples that a model was not trained on, several of each class, as 32-bit numbers in base64. */
async function samples(name) {
  const { x, y } = readNpz(await readFile(join(root, "models", name, "samples.npz")));
  const dimension = x.data.length / x.shape[0];
  const seen = new Map();
  const chosen = [];
  for (let at = 0; at < y.data.length && chosen.length < MOST_SAMPLES; at += 1) {
    const count = (seen.get(y.data[at]) ?? 0) + 1;
    seen.set(y.data[at], count);
    if (count <= EACH_CLASS) chosen.push(at);
  }
  const values = Float32Array.from(chosen.flatMap((at) => [...x.data.slice(at * dimension, (at + 1) * dimension)]));
  return { classes: chosen.map((at) => y.data[at]), values: Buffer.from(values.buffer).toString("base64") };
}

/** One digit of each label, its grey values in base64. */
async function digits() {
  const { digits } = await read("mnist_mlp/demo_digits.json");
  const first = digits.filter((digit, at) => digits.findIndex(({ label }) => label === digit.label) === at);
  return first.map(({ label, pixels }) => ({ label, pixels: Buffer.from(pixels).toString("base64") }));
}

await rm(output, { recursive: true, force: true });
await Promise.all(["samples", "gloss_search"].map((folder) => mkdir(join(output, "data", folder), { recursive: true })));
const data = {
  "data/digits.json": await digits(),
  "data/patients.json": await read("breast_cancer_logistic/demo_patients.json"),
  ...Object.fromEntries(await Promise.all(SAMPLED.map(async (name) => [`data/samples/${name}.json`, await samples(name)]))),
  "data/figures.json": Object.fromEntries(await Promise.all(SHIPPED.map(figures))),
};
await build({
  entryPoints: ["main.js", "theme.js", "style.css"].map((path) => join(here, "src", path)),
  outdir: output,
  bundle: true,
  minify: true,
  sourcemap: true,
  format: "esm",
  target: "es2022",
  define: { PLAIN_MODELS: JSON.stringify(PLAIN), SAMPLED_MODELS: JSON.stringify(SAMPLED) },
  plugins: [besideThePage],
  logLevel: "warning",
});
await Promise.all([
  cp(join(here, "index.html"), join(output, "index.html")),
  cp(join(here, "icon.svg"), join(output, "icon.svg")),
  ...Object.entries(data).map(([path, value]) => writeFile(join(output, path), JSON.stringify(value))),
  ...WORDS.map((name) => cp(join(root, "models/gloss_search", name), join(output, "data/gloss_search", name))),
  ...PLAIN.map((name) => cp(join(root, "models", name, "model.onnx"), join(output, `data/${name}.onnx`))),
  ...["dist", "wasm/simd.wasm", "wasm/scalar.wasm", "package.json"].map((path) =>
    cp(join(packageFolder, path), join(output, PACKAGE, path), { recursive: true }),
  ),
]);
