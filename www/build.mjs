// Builds the page into dist/www: its own scripts bundled, the npm package beside them as it is, since its
// worker and its WebAssembly module are found at run time by their place in the package.

import { cp, mkdir, rm } from "node:fs/promises";
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

/** Leaves the package out of the bundle, under an address that a browser understands. */
const besideThePage = {
  name: "beside-the-page",
  setup: ({ onResolve }) =>
    onResolve({ filter: new RegExp(`^${PACKAGE}$`) }, () => ({
      path: `./${PACKAGE}/dist/index.js`,
      external: true,
    })),
};

await rm(output, { recursive: true, force: true });
await mkdir(join(output, "data"), { recursive: true });
await build({
  entryPoints: [join(here, "src/main.js"), join(here, "src/style.css")],
  outdir: output,
  bundle: true,
  minify: true,
  sourcemap: true,
  format: "esm",
  target: "es2022",
  plugins: [besideThePage],
  logLevel: "warning",
});
await Promise.all([
  cp(join(here, "index.html"), join(output, "index.html")),
  cp(join(here, "icon.svg"), join(output, "icon.svg")),
  cp(join(root, "models/mnist_mlp/demo_digits.json"), join(output, "data/digits.json")),
  cp(join(root, "models/breast_cancer_logistic/demo_patients.json"), join(output, "data/patients.json")),
  ...["dist", "wasm/simd.wasm", "wasm/scalar.wasm", "package.json"].map((path) =>
    cp(join(packageFolder, path), join(output, PACKAGE, path), { recursive: true }),
  ),
]);
