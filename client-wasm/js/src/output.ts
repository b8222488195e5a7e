import type { Decrypted } from "./engine/engine.js";
import type { ModelInfo, Output, Warning } from "./types.js";

/** What is said of an output that the model cannot give. */
const OUT_OF_RANGE: Warning = {
  code: "OUTPUT_RANGE",
  message: "The output is such as the model cannot give: the input was unlike what it was calibrated for",
  count: 0,
};

/** What a decrypted output says, by what the model says of its outputs. */
export function describe({ raw, values, inRange }: Decrypted, { labels = [], postprocessing }: ModelInfo["output"]): Output {
  // A model that gives the class alone has one value; the scores it was chosen by are in `raw`.
  const scores = values.length === raw.length ? values : raw;
  const index = scores.reduce((best, value, i) => (value > (scores[best] ?? -Infinity) ? i : best), 0);
  const value = scores[index] ?? Number.NaN;
  // One probability is that of the only label, which a small one speaks against.
  const isDenied = postprocessing === "sigmoid" && scores.length === 1 && value < 0.5;
  const best = { index, value, label: isDenied ? undefined : labels[index] };
  return { values, raw, labels, best, warnings: inRange ? [] : [OUT_OF_RANGE] };
}
