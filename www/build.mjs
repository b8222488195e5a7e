// Builds the page into dist/www: its own scripts bundled, the npm package beside them as it is, since its
// worker and its WebAssembly modules are found at run time by their place in the package.

import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(here);
const output = join(root, "dist/www");
const require = createRequire(import.meta.url);
const { build } = require("esbuild");

const PACKAGE = "encrypted-inference";
const packageFolder = dirname(require.resolve(`${PACKAGE}/package.json`));

/** Models that the page can evaluate on plain numbers, to compare. */
const MODELS = ["mnist_mlp", "mnist_cnn", "breast_cancer_logistic"];

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

/** One digit of each label, its grey values in base64. */
async function digits() {
  const { digits } = await read("mnist_mlp/demo_digits.json");
  const first = digits.filter((digit, at) => digits.findIndex(({ label }) => label === digit.label) === at);
  return first.map(({ label, pixels }) => ({ label, pixels: Buffer.from(pixels).toString("base64") }));
}

await rm(output, { recursive: true, force: true });
await mkdir(join(output, "data"), { recursive: true });
const data = {
  "data/digits.json": await digits(),
  "data/patients.json": await read("breast_cancer_logistic/demo_patients.json"),
  "data/figures.json": Object.fromEntries(await Promise.all(MODELS.map(figures))),
};
await build({
  entryPoints: ["main.js", "theme.js", "style.css"].map((path) => join(here, "src", path)),
  outdir: output,
  bundle: true,
  minify: true,
  sourcemap: true,
  format: "esm",
  target: "es2022",
  define: { PLAIN_MODELS: JSON.stringify(MODELS) },
  plugins: [besideThePage],
  logLevel: "warning",
});
await Promise.all([
  cp(join(here, "index.html"), join(output, "index.html")),
  cp(join(here, "icon.svg"), join(output, "icon.svg")),
  ...Object.entries(data).map(([path, value]) => writeFile(join(output, path), JSON.stringify(value))),
  ...MODELS.map((name) => cp(join(root, "models", name, "model.onnx"), join(output, `data/${name}.onnx`))),
  ...["dist", "wasm/simd.wasm", "wasm/scalar.wasm", "package.json"].map((path) =>
    cp(join(packageFolder, path), join(output, PACKAGE, path), { recursive: true }),
  ),
]);
