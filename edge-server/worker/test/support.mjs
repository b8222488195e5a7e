// What the tests share: right answers, and the operator's view.

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const model = (path) => fileURLToPath(new URL(`../../../models/${path}`, import.meta.url));
const json = async (path) => JSON.parse(await readFile(model(path), "utf8"));

export const packageOf = (name) => model(`${name}/package`);

const { patients } = await json("breast_cancer_logistic/demo_patients.json");
const { digits } = await json("mnist_mlp/demo_digits.json");

/** Inputs of each model that fits, and what the answers are checked by. */
export const QUESTIONS = {
  breast_cancer_logistic: patients.map(({ values, probability }) => ({
    input: values,
    isRight: ([value]) => Math.abs(value - probability) < 2 ** -7,
  })),
  mnist_mlp: digits.map(question),
  mnist_cnn: digits.map(question),
};

function question({ pixels, label }) {
  return { input: pixels.map((grey) => grey / 255), isRight: (values) => values.indexOf(Math.max(...values)) === label };
}

export const ADMIN_TOKEN = "a-token-of-the-operator-0123456789";

/** One number of the operator's metrics. */
export async function metric(url, name) {
  const answer = await fetch(`${url}/admin/metrics`, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } });
  const line = (await answer.text()).split("\n").find((line) => line.startsWith(`${name} `));
  return Number(line?.split(" ")[1]);
}
