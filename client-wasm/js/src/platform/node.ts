import { type Platform, hasSimd, plainFetch } from "./platform.js";
import { inlineModule } from "./unpack.js";

/** Node, Deno, Bun: the module is a file beside this one. The work is done in this thread. */
export const platform: Platform = {
  module: () => found().catch(inlineModule),
  fetch: plainFetch,
  workers: [],
};

async function found(): Promise<WebAssembly.Module> {
  const { readFile } = await import("node:fs/promises");
  const file = hasSimd() ? "../wasm/simd.wasm" : "../wasm/scalar.wasm";
  return WebAssembly.compile(await readFile(new URL(file, import.meta.url)));
}
