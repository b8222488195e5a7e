// The panel for models that this page knows nothing about: numbers in, numbers out.

import { byId } from "./dom.js";

/** Sets the panel up; `ask` takes its questions, `model()` is the model that is chosen. */
export async function setUpNumbers({ ask, model }) {
  const text = byId("numbers-text");
  const random = () => {
    const { dimension, range = [-1, 1] } = model().input;
    const [least, most] = range;
    const values = Array.from({ length: dimension }, () => least + Math.random() * (most - least));
    text.value = values.map((value) => Number(value.toPrecision(4))).join(" ");
  };
  const submit = () => {
    const { dimension } = model().input;
    const values = text.value.split(/[\s,;]+/).filter(Boolean).map(Number);
    const wrong = byId("numbers-wrong");
    const problem = values.some((value) => !Number.isFinite(value))
      ? "Only numbers are needed here."
      : values.length !== dimension && `The model takes ${dimension} values; there are ${values.length}.`;
    wrong.hidden = !problem;
    wrong.textContent = problem || "";
    if (!problem) ask({ ...QUESTION, input: Float64Array.from(values) });
  };
  byId("numbers-random").addEventListener("click", () => {
    random();
    submit();
  });
  byId("numbers-form").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  return () => {
    const { description, input } = model();
    const shape = input.shape.join(" × ");
    const range = input.range ? ` between ${input.range[0]} and ${input.range[1]}` : "";
    byId("numbers-about").textContent = `${description}. It takes ${input.dimension} numbers (${shape})${range}.`;
    random();
    submit();
  };
}

const QUESTION = {
  outcomes: (values, labels) => values.map((value, i) => ({ label: labels[i] ?? `output ${i}`, value })),
  verdict: ({ label, value }) => `${label}: ${value.toPrecision(3)}`,
};
