import type { Decrypted } from "./engine/engine.js";
import type { EncryptedInferenceError } from "./errors.js";
import type { ModelInfo, Output, Warning } from "./types.js";

/** What is said of an output that the model cannot give. */
const OUT_OF_RANGE: Warning = {
  code: "OUTPUT_RANGE",
  message: "The output is such as the model cannot give: the input was unlike what it was calibrated for",
  count: 0,
};

/** What a decrypted output says, by what the model says of its outputs. */
export function describe({ inRange, ...decrypted }: Decrypted, { labels = [], postprocessing }: ModelInfo["output"]): Output {
  const [raw, values] = [Array.from(decrypted.raw), Array.from(decrypted.values)];
  // A model that gives the class alone has one value; the scores it was chosen by are in `raw`.
  const scores = values.length === raw.length ? values : raw;
  const index = scores.reduce((best, value, i) => (value > (scores[best] ?? -Infinity) ? i : best), 0);
  const value = scores[index] ?? Number.NaN;
  // One probability is that of the only label, which a small one speaks against.
  const isDenied = postprocessing === "sigmoid" && scores.length === 1 && value < 0.5;
  const best = { index, value, label: isDenied ? undefined : labels[index] };
  return { values, raw, labels, best, warnings: inRange ? [] : [OUT_OF_RANGE] };
}

/**
 * What stands in the place of an output that cannot be read. It has as many values as one that can: a loop over
 * predictions that does not look for errors must not end because of it.
 */
export function unread(error: EncryptedInferenceError, { dimension, labels = [], postprocessing }: ModelInfo["output"]): Output & { error: EncryptedInferenceError } {
  const nothing = (count: number): number[] => new Array<number>(count).fill(Number.NaN);
  const values = nothing(postprocessing === "argmax" ? 1 : dimension);
  return { values, raw: nothing(dimension), labels, best: { index: -1, value: Number.NaN, label: undefined }, warnings: [], error };
}
