import { type Platform, compile, fetchFromPage, hasSimd } from "./platform.js";
import { inlineModule, inlineWorker } from "./unpack.js";

// Each URL is written out where it is used, in the form that bundlers look for.
const found = (): Promise<WebAssembly.Module> =>
  hasSimd()
    ? compile(new URL("../wasm/simd.wasm", import.meta.url))
    : compile(new URL("../wasm/scalar.wasm", import.meta.url));

/**
 * Browsers: the module and the worker are files beside this one. Where a bundler has left them behind, copies
 * inside of a script are used, which is loaded only then.
 */
export const platform: Platform = {
  module: () => found().catch(inlineModule),
  fetch: fetchFromPage,
  workers:
    typeof Worker === "function"
      ? [
          () => new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "encrypted-inference" }),
          inlineWorker,
        ]
      : [],
};
