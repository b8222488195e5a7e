import { fromThrown } from "./errors.js";
import type { Engine, EngineCall, Start } from "./engine.js";
import { openLocal } from "./local.js";

/** What a worker is asked: to start, then calls. */
export type Question = { id: number } & ({ start: Start } | { call: EngineCall });
/** What it answers. */
export type Reply = { id: number } & ({ value: unknown } | { error: { code: string; message: string } });

let engine: Promise<Engine> | undefined;

addEventListener("message", async ({ data }: MessageEvent<Question>) => {
  const { id } = data;
  try {
    let value: unknown;
    if ("start" in data) {
      engine = openLocal(data.start);
      await engine;
    } else {
      const { method, parameters } = data.call;
      const run = (await engine)?.[method] as ((...parameters: unknown[]) => Promise<unknown>) | undefined;
      value = await run?.(...parameters);
    }
    reply({ id, value }, buffers(value));
  } catch (thrown) {
    const { code, message } = fromThrown(thrown, "WORKER");
    reply({ id, error: { code, message } }, []);
  }
});

function reply(answer: Reply, transfer: Transferable[]): void {
  (postMessage as (message: unknown, transfer: Transferable[]) => void)(answer, transfer);
}

/** Byte arrays are handed over, not copied. */
function buffers(value: unknown): Transferable[] {
  const values = Array.isArray(value) ? value : [value];
  return values.flatMap((item) => (item instanceof Uint8Array ? [item.buffer as ArrayBuffer] : []));
}
