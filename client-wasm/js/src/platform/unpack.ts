import { hasSimd } from "./platform.js";

/** Compiles the copy of the module that is in a script; `sought` is why it is needed. */
export async function inlineModule(sought?: unknown): Promise<WebAssembly.Module> {
  try {
    const { simd, scalar } = await import("./inline-files.js");
    return await WebAssembly.compile(await unpacked(hasSimd() ? simd : scalar));
  } catch (error) {
    // The first failure is the telling one: it names the file that was looked for.
    throw sought ?? error;
  }
}

/** Starts the copy of the worker that is in a script. */
export async function inlineWorker(): Promise<Worker> {
  const { worker } = await import("./inline-files.js");
  const url = URL.createObjectURL(new Blob([await unpacked(worker)], { type: "text/javascript" }));
  try {
    return new Worker(url, { type: "module", name: "encrypted-inference" });
  } finally {
    // A worker has its address by now.
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }
}

/** Reads a file of `inline-files.js`: gzip in base64. */
async function unpacked(text: string): Promise<ArrayBuffer> {
  const packed = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}
