// The worker's side: engines by number. A worker that a caller brings imports this file as `encrypted-inference/worker`.

import { EncryptedInferenceError, fromThrown } from "../errors.js";
import type { Engine } from "./engine.js";
import { openLocal } from "./local.js";
import { MARK, type Question, type Reply } from "./messages.js";

const engines = new Map<number, Engine>();

addEventListener("message", ({ data }: MessageEvent<Question | undefined>) => {
  if (data?.mark === MARK && "engine" in data) void answer(data);
});
reply({ mark: MARK, ready: true }, []);

async function answer(question: Question): Promise<void> {
  const { id } = question;
  try {
    const value = await carryOut(question);
    reply({ mark: MARK, id, value }, buffers(value));
  } catch (thrown) {
    const { code, cause, message } = fromThrown(thrown, "ENGINE");
    // The other side adds the advice again.
    const happened = cause instanceof Error ? cause.message : message;
    reply({ mark: MARK, id, error: { code, message: happened } }, []);
  }
}

async function carryOut(question: Question): Promise<unknown> {
  const { engine: number } = question;
  if ("open" in question) {
    engines.set(number, openLocal(question.module, question.open));
    // This is the worker's copy of a key that was kept; the engine has its own.
    question.open.secret?.fill(0);
    return undefined;
  }
  const engine = engines.get(number);
  if ("close" in question) {
    engines.delete(number);
    return engine?.close();
  }
  if (!engine) throw new EncryptedInferenceError("CLOSED", "The model was closed");
  const { method, parameters } = question.call;
  return (engine[method] as (...parameters: unknown[]) => Promise<unknown>)(...parameters);
}

function reply(answer: Reply, transfer: Transferable[]): void {
  (postMessage as (message: unknown, transfer: Transferable[]) => void)(answer, transfer);
}

/** The memory of what an engine gives, each piece once: it is handed over, not copied. */
function buffers(value: unknown): Transferable[] {
  return [...new Set(arrays(value).map(({ buffer }) => buffer as ArrayBuffer))];
}

function arrays(value: unknown): ArrayBufferView[] {
  if (ArrayBuffer.isView(value)) return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(arrays) : [];
}
