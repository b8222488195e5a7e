// The panel with the measurements of a patient.

import { byId, element } from "./dom.js";

/** Models that take these measurements. */
export const takesPatients = ({ model_id: name }) => name === "breast_cancer_logistic";

/** Largest value a field takes: the wire carries numbers of this size well, no cell has them. */
const LARGEST = 100_000;

/** Sets the panel up; `ask` takes its questions. */
export async function setUpPatients({ ask }) {
  const { feature_names: names, patients } = await (await fetch("data/patients.json")).json();
  const fields = names.map(field);
  byId("patient-fields").append(...rows(names, fields));

  let chosen;
  const buttons = patients.map((patient, i) => {
    const button = element("button", { type: "button", ariaPressed: "false" }, `Patient ${i + 1}`);
    button.addEventListener("click", () => {
      choose(i);
      fields.forEach((input, at) => {
        input.value = String(Number(patient.values[at].toPrecision(6)));
      });
      submit();
    });
    return button;
  });
  const choose = (at) => {
    chosen = patients[at];
    buttons.forEach((button, i) => {
      button.ariaPressed = String(i === at);
    });
  };
  byId("patient-examples").append(...buttons);

  const submit = () => {
    const wrong = fields.filter((input) => !isMeasurement(input));
    for (const input of fields) input.ariaInvalid = String(wrong.includes(input));
    byId("patient-wrong").hidden = wrong.length === 0;
    if (wrong.length > 0) {
      const few = wrong.slice(0, 3).map((input) => input.ariaLabel);
      const others = wrong.length > few.length ? ` and ${wrong.length - few.length} more` : "";
      byId("patient-wrong").textContent = `Numbers from 0 to ${LARGEST} are needed: ${few.join(", ")}${others}.`;
      return;
    }
    ask({ ...QUESTION, input: Float64Array.from(fields, (input) => input.valueAsNumber), expected: describe(chosen) });
  };
  byId("patient-form").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  byId("patient-form").addEventListener("input", () => choose(undefined));
  return () => buttons[0].click();
}

function field(name) {
  return element("input", { type: "number", step: "any", min: "0", max: String(LARGEST), inputMode: "decimal", ariaLabel: name, name });
}

const isMeasurement = ({ valueAsNumber }) => valueAsNumber >= 0 && valueAsNumber <= LARGEST;

/** One row for each of the ten features, with its mean, its standard error, and the mean of its three largest values. */
function rows(names, fields) {
  const features = names.slice(0, names.length / 3);
  return features.map((name, i) => {
    const cells = [0, 1, 2].map((column) => element("td", {}, fields[i + column * features.length]));
    return element("tr", {}, element("th", { scope: "row" }, name.replace("mean ", "")), ...cells);
  });
}

const QUESTION = {
  outcomes: ([benign]) => [
    { label: "benign", value: benign },
    { label: "malignant", value: 1 - benign },
  ],
  verdict: ({ label }) => `The model says ${label}.`,
};

function describe(patient) {
  if (!patient) return "";
  return `The data set calls it ${patient.label}.`;
}
