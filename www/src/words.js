// The panel that seeks a word by what it means: a text becomes a vector here, its scores come back.

import { byId, element, shape } from "./dom.js";
import { Embedder } from "./embed.js";

const FOLDER = "data/gloss_search";
/** Words that are shown. */
const BEST = 10;

/** The model whose embedder this page has. */
export const takesWords = ({ model_id: name }) => name === "gloss_search";

/** Sets the panel up; `ask` takes its questions. The embedder is loaded when the panel is first shown. */
export async function setUpWords({ ask }) {
  const text = byId("words-text");
  const notice = byId("words-unknown");
  const choose = (chosen) => {
    for (const button of byId("words-examples").children) button.ariaPressed = String(button === chosen);
  };
  const submit = async () => {
    const { embedder, definitions } = await load();
    const { vector, unknown } = embedder.embed(text.value);
    const words = [...new Set(unknown)].map((word) => `“${word}”`).join(", ");
    notice.textContent = vector ? words && `Left out, since it is not in the table of this page: ${words}.` : "Describe it in English words.";
    notice.classList.toggle("wrong", !vector);
    text.ariaInvalid = String(!vector);
    if (!vector) return;
    preview(vector);
    ask(question(vector, definitions));
  };
  byId("words-form").addEventListener("submit", (event) => {
    event.preventDefault();
    choose(undefined);
    submit().catch(fail);
  });
  const fail = (error) => {
    notice.textContent = `The table of words could not be loaded: ${error.message}`;
    notice.classList.add("wrong");
  };
  const example = ({ text: example }) => {
    const button = element("button", { type: "button", ariaPressed: "false" }, example);
    button.addEventListener("click", () => {
      text.value = example;
      choose(button);
      submit().catch(fail);
    });
    return button;
  };
  return async () => {
    try {
      const { examples } = await load();
      if (!byId("words-examples").childElementCount) byId("words-examples").append(...examples.map(example));
      byId("words-examples").firstChild.click();
    } catch (error) {
      fail(error);
    }
  };
}

let loading;

/** What turns texts into vectors, and what the words mean; once, and again after a failure. */
function load() {
  loading ??= loadAll().catch((error) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

async function loadAll() {
  const get = async (name) => {
    const response = await fetch(`${FOLDER}/${name}`);
    if (!response.ok) throw new Error(`${name}: ${response.status}`);
    return response;
  };
  const [vocabulary, table, definitions, examples] = await Promise.all([
    get("vocabulary.txt").then((answer) => answer.text()),
    get("embedder.bin").then((answer) => answer.arrayBuffer()),
    get("definitions.json").then((answer) => answer.json()),
    get("examples.json").then((answer) => answer.json()),
  ]);
  return { embedder: new Embedder(vocabulary, table), definitions, examples };
}

/** The numbers of the largest scores, the largest first. */
const best = (scores) => [...scores.keys()].sort((a, b) => scores[b] - scores[a]).slice(0, BEST);

function question(vector, definitions) {
  return {
    input: vector,
    // Those that the encrypted scores put first, whichever scores are shown.
    outcomes: (scores, labels, first = scores) => best(first).map((at) => ({ label: labels[at], value: scores[at], note: definitions[at] })),
    verdict: ({ label }) => `It sounds like “${label}”.`,
    format: (score) => score.toFixed(3),
    agreement(scores, plain) {
      const [found, expected] = [best(scores), best(plain)];
      if (found.every((at, i) => at === expected[i])) return "The same ten words in the same order";
      return found.every((at) => expected.includes(at)) ? "The same ten words, those with nearly equal scores in another order," : "Other words";
    },
  };
}

/** Shows the vector as a row of columns, up and down. */
function preview(vector) {
  const most = Math.max(...vector.map(Math.abs));
  const columns = Array.from(vector, (number, i) => {
    const height = (Math.abs(number) / most) * 30;
    return shape("rect", { x: i * 2.5, y: number > 0 ? 32 - height : 32, width: 1.8, height });
  });
  const label = `The ${vector.length} numbers that are encrypted`;
  byId("words-preview").replaceChildren(shape("svg", { viewBox: `0 0 ${vector.length * 2.5} 64`, role: "img", "aria-label": label }, ...columns));
}
