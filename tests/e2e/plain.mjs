// The shipped models on plain numbers, evaluated by ONNX Runtime, and the data the page shows.

import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { InferenceSession, Tensor, env } from "onnxruntime-web";

import { ROOT } from "./server.mjs";

env.wasm.numThreads = 1;

const read = async (path) => JSON.parse(await readFile(join(ROOT, "models", path), "utf8"));

/** Digits of the test set, with what the model says of them. */
export const { digits } = await read("mnist_mlp/demo_digits.json");
/** Rows that the model was not trained on, with what the model says of them. */
export const { patients } = await read("breast_cancer_logistic/demo_patients.json");

/** An input of each model that the README has a column for. */
export const EXAMPLES = { breast_cancer_logistic: patients[0].values, mnist_mlp: digits[0].pixels, mnist_cnn: digits[0].pixels };

/** Evaluates a shipped model on plain numbers. */
export async function plainModel(name, shape) {
  const session = await InferenceSession.create(await readFile(join(ROOT, "models", name, "model.onnx")));
  const [input] = session.inputNames;
  const [output] = session.outputNames;
  return async (values) => {
    const result = await session.run({ [input]: new Tensor("float32", Float32Array.from(values), [1, ...shape]) });
    return [...result[output].data];
  };
}

/** Where the largest value is. */
export const argmax = (values) => values.indexOf(Math.max(...values));

/** The largest difference of two lists. */
export const distance = (a, b) => Math.max(...a.map((value, i) => Math.abs(value - b[i])));
