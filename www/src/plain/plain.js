// The shipped models on plain numbers, in this page: loaded when a visitor wants to compare.

import { readOnnx } from "./onnx.js";
import { evaluate } from "./run.js";

const graphs = new Map();

/** Whether this page has a model's file. */
export const hasPlain = (name) => PLAIN_MODELS.includes(name);

/** Evaluates a model on plain numbers. The file stays; the numbers do not leave. */
export async function plainly({ model_id: name, input: { shape } }, values) {
  if (!graphs.has(name)) {
    const loading = load(name);
    graphs.set(name, loading);
    loading.catch(() => graphs.delete(name));
  }
  return evaluate(await graphs.get(name), values, shape);
}

async function load(name) {
  const response = await fetch(`data/${name}.onnx`);
  if (!response.ok) throw new Error(`${response.url}: ${response.status}`);
  return readOnnx(new Uint8Array(await response.arrayBuffer()));
}
