// The panel for every other model: samples that it was not trained on, as pictures, as lines, as numbers.

import { byId, element, paintGrey, shape } from "./dom.js";

/** A picture is at least so many pixels high and wide, a line at least so many values long. */
const LEAST = 8;

/** Sets the panel up; `ask` takes its questions, `model()` is the model that is chosen. */
export async function setUpSamples({ ask, model }) {
  const text = byId("samples-text");
  const put = (values, expected) => {
    text.value = Array.from(values, (value) => Number(value.toPrecision(5))).join(" ");
    preview(values, model().input);
    ask({ ...QUESTION, input: Float64Array.from(values), expected });
  };
  const submit = () => {
    const { dimension } = model().input;
    const values = text.value.split(/[\s,;]+/).filter(Boolean).map(Number);
    const problem = values.some((value) => !Number.isFinite(value))
      ? "Only numbers are needed here."
      : values.length !== dimension && `The model takes ${dimension} values; there are ${values.length}.`;
    byId("samples-wrong").hidden = !problem;
    byId("samples-wrong").textContent = problem || "";
    choose(undefined);
    if (!problem) put(values);
  };
  const random = () => {
    const { dimension, range = [-1, 1], feature_ranges: ranges } = model().input;
    const between = ([least, most]) => least + Math.random() * (most - least);
    put(Float64Array.from({ length: dimension }, (_, i) => between(ranges?.[i] ?? range)));
  };
  let buttons = [];
  const choose = (chosen) => {
    for (const button of buttons) button.ariaPressed = String(button === chosen);
  };
  byId("samples-random").addEventListener("click", () => {
    choose(undefined);
    random();
  });
  byId("samples-form").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  return async () => {
    const info = model();
    const { description, input } = info;
    byId("samples-about").textContent = `${description}. It takes ${input.dimension} numbers (${input.shape.join(" × ")}).`;
    const samples = await samplesOf(info);
    // Another model may have been chosen meanwhile.
    if (model() !== info) return;
    buttons = samples.map(({ values, label }, i) => {
      const button = element("button", { type: "button", ariaPressed: "false" }, `Sample ${i + 1}`);
      button.addEventListener("click", () => {
        choose(button);
        put(values, label && `The data set calls it ${label}.`);
      });
      return button;
    });
    byId("samples-examples").replaceChildren(...buttons);
    if (buttons.length) buttons[0].click();
    else random();
    byId("samples-values").open = byId("samples-preview").childElementCount === 0;
  };
}

/** Samples of a shipped model with the names that its data set gives them; none for others. */
async function samplesOf({ model_id: name, input: { dimension }, output: { labels = [] } }) {
  if (!SAMPLED_MODELS.includes(name)) return [];
  const { values: packed, classes } = await (await fetch(`data/samples/${name}.json`)).json();
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  const all = new Float32Array(bytes.buffer);
  return classes.map((label, i) => ({ values: all.slice(i * dimension, (i + 1) * dimension), label: labels[label] }));
}

/** Shows a sample as what it is: a picture, a line, or nothing but its numbers. */
function preview(values, { shape: extents }) {
  const [height, width] = extents.length > 1 ? extents.slice(-2) : [1, extents[0]];
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const scale = (value) => (most > least ? (value - least) / (most - least) : 0);
  const place = byId("samples-preview");
  if (height >= LEAST && width >= LEAST) {
    const canvas = element("canvas", { width, height, role: "img", ariaLabel: `The sample as a picture of ${width} by ${height} pixels` });
    paintGrey(canvas, Array.from(values.slice(0, width * height), (value) => Math.round(scale(value) * 255)));
    place.replaceChildren(canvas);
  } else if (values.length >= LEAST * 4) {
    const points = Array.from(values, (value, i) => `${(i / (values.length - 1)) * 300},${100 - scale(value) * 100}`).join(" ");
    const line = shape("polyline", { points });
    place.replaceChildren(shape("svg", { viewBox: "-4 -8 308 116", role: "img", "aria-label": `The sample as a line of ${values.length} values` }, line));
  } else place.replaceChildren();
}

const QUESTION = {
  outcomes: (values, labels) => values.map((value, i) => ({ label: labels[i] ?? `output ${i}`, value })),
  verdict({ label }, { best, values, labels: [only] }) {
    if (values.length > 1 || best.label) return `The model says ${best.label ?? label}.`;
    return only ? `The model does not say ${only}.` : `The model says ${values[0].toPrecision(4)}.`;
  },
};
