// Bundles the package's entry points. What they find at run time beside them, the worker and the WebAssembly
// modules, stays a URL, so that plain file servers and bundlers both understand it.

import { copyFile, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

const source = (path) => fileURLToPath(new URL(`src/${path}`, import.meta.url));

/** Entry points that differ only in their platform. */
const PLATFORMS = { index: "browser", inline: "inline", node: "node", workerd: "workerd" };

const COMMON = {
  bundle: true,
  format: "esm",
  target: "es2022",
  platform: "neutral",
  mainFields: ["module", "main"],
  conditions: ["import"],
  external: ["node:*", "../wasm/*.wasm", "./inline-files.js"],
  minify: true,
  sourcemap: true,
  sourcesContent: true,
  legalComments: "inline",
  logLevel: "warning",
};

await Promise.all([
  ...Object.entries(PLATFORMS).map(([entry, platform]) =>
    build({
      ...COMMON,
      entryPoints: [source("index.ts")],
      outfile: `dist/${entry}.js`,
      alias: { "#platform": source(`platform/${platform}.ts`) },
    }),
  ),
  build({ ...COMMON, entryPoints: [source("engine/worker.ts")], outfile: "dist/worker.js" }),
]);

// A package carries its licence.
await copyFile("../../LICENSE", "LICENSE");

/** A file of the package, for a script. */
const packed = async (path) => gzipSync(await readFile(path), { level: 9 }).toString("base64");
const inline = { simd: await packed("wasm/simd.wasm"), scalar: await packed("wasm/scalar.wasm"), worker: await packed("dist/worker.js") };
const lines = Object.entries(inline).map(([name, text]) => `export const ${name} = "${text}";\n`);
await writeFile("dist/inline-files.js", lines.join(""));
