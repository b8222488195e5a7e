// The blocks of JavaScript in the package's documents as programs: what a block uses and does not define is given.

import { DIGIT, PATIENT } from "./project.mjs";

/** What the documents speak of, in an order in which each can use those before it. */
const GIVEN = {
  SEVEN: `Uint8Array.from(${JSON.stringify(DIGIT.pixels)})`,
  bytes: "SEVEN",
  pixels: "SEVEN",
  rows: "Array.from({ length: 28 }, (_, row) => [...SEVEN.slice(28 * row, 28 * (row + 1))])",
  sample: "SEVEN",
  canvas: "{ getContext: () => ({ getImageData: () => ({ data: Uint8ClampedArray.from({ length: 4 * 784 }, (_, at) => SEVEN[at >> 2]) }) }) }",
  api: "await given.connect(process.argv[2])",
  model: 'await api.model("mnist_mlp")',
  patients: 'await api.model("breast_cancer_logistic")',
  readRows: "async function* () { yield SEVEN; yield SEVEN; }",
  measurements: `Object.fromEntries(patients.info.input.feature_names.map((name, at) => [name, ${JSON.stringify(PATIENT.values)}[at]]))`,
};

/** The programs of a document's blocks, each with the line that it begins at. */
export function snippets(text) {
  return [...text.matchAll(/^```js\n(.*?)^```/gms)].map(({ 1: code, index }) => {
    const line = text.slice(0, index).split("\n").length + 1;
    const mentions = (name, source) => new RegExp(`\\b${name}\\b`).test(source);
    const defines = (name) => new RegExp(`^(?:const|let) (?:${name}\\b|\\{[^}]*\\b${name}\\b)`, "m").test(code);
    const wanted = new Set();
    const want = (name, source) => {
      if (!mentions(name, source) || defines(name) || wanted.has(name)) return;
      for (const other of Object.keys(GIVEN)) if (other !== name) want(other, GIVEN[name]);
      wanted.add(name);
    };
    for (const name of Object.keys(GIVEN)) want(name, code);
    const before = [...wanted].map((name) => `const ${name} = ${GIVEN[name]};`);
    const program = ['import * as given from "encrypted-inference";', ...before, code.replaceAll('"https://inference.example"', "process.argv[2]"), "process.exit();"];
    return { line, program: program.join("\n") };
  });
}
