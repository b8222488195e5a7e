// Bundles the package's two entry points. What they find at run time beside them, the worker and
// the WebAssembly module, stays a URL, so that plain file servers and bundlers both understand it.

import { build } from "esbuild";

await build({
  entryPoints: ["src/index.ts", "src/worker.ts"],
  outdir: "dist",
  bundle: true,
  format: "esm",
  target: "es2022",
  platform: "neutral",
  mainFields: ["module", "main"],
  conditions: ["import"],
  external: ["node:*"],
  sourcemap: true,
  legalComments: "inline",
  logLevel: "warning",
});
