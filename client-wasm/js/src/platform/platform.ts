import type { StartWorker } from "../engine/remote.js";

/** What differs between environments. A build has one of the files beside this one, by the name `#platform`. */
export interface Platform {
  /** Finds and compiles the WebAssembly module. */
  module(): Promise<WebAssembly.Module>;
  /** Sends a request, as the global `fetch` does. */
  fetch: typeof fetch;
  /** Ways to start a worker, the preferred one first; none where the work is done in this thread. */
  workers: readonly StartWorker[];
}

/** The global `fetch`, looked up at each call: pages replace it. */
export const plainFetch: typeof fetch = (input, init) => fetch(input, init);

/** A body of fewer bytes is sent as it is. */
const LARGE = 16_384;

/** The `fetch` of pages. Chromium sends a large body from a Blob in a quarter of the time that it takes from an array. */
export const fetchFromPage: typeof fetch = (input, init) => {
  const body = init?.body;
  const isLarge = body instanceof Uint8Array && body.length >= LARGE;
  return fetch(input, isLarge ? { ...init, body: new Blob([body as Uint8Array<ArrayBuffer>]) } : init);
};

/** Where a caller has the WebAssembly module, or the module itself. */
export type ModuleSource = WebAssembly.Module | BufferSource | Response | string | URL;

/** An empty module with one function that uses a SIMD instruction: `(func (result v128) i32.const 0 i8x16.splat)`. */
const PROBE = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11);

/** Tells whether the engine has 128-bit SIMD. */
export const hasSimd = (): boolean => WebAssembly.validate(PROBE);

/** Compiles a module from where a caller has it. */
export async function compile(source: ModuleSource | Promise<ModuleSource>): Promise<WebAssembly.Module> {
  const from = await source;
  if (from instanceof WebAssembly.Module) return from;
  if (typeof from === "string" || from instanceof URL) return compile(fetch(from));
  if (!(from instanceof Response)) return WebAssembly.compile(from);
  if (!from.ok) throw new Error(`${from.url}: ${from.status} ${from.statusText}`);
  const isNamed = from.headers.get("content-type")?.startsWith("application/wasm");
  return isNamed ? WebAssembly.compileStreaming(from) : WebAssembly.compile(await from.arrayBuffer());
}
