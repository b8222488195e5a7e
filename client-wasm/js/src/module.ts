import init, { Session } from "../wasm/client_wasm.js";

let loading: Promise<void> | undefined;

/** Loads the WebAssembly module once. */
export async function loadModule(): Promise<{ Session: typeof Session }> {
  loading ??= load();
  try {
    await loading;
  } catch (error) {
    // The next call tries again.
    loading = undefined;
    throw error;
  }
  return { Session };
}

async function load(): Promise<void> {
  const url = new URL("../wasm/client_wasm_bg.wasm", import.meta.url);
  await init({ module_or_path: url.protocol === "file:" ? await file(url) : url });
}

/** Node's `fetch` does not read files. */
async function file(url: URL): Promise<Uint8Array<ArrayBuffer>> {
  const { readFile } = await import("node:fs/promises");
  return new Uint8Array(await readFile(url));
}
