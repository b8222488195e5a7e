// The lane with the decrypted answer.

import { byId, element } from "./dom.js";
import { milliseconds, percent } from "./format.js";

/** Shows that a question is under way, without taking the last answer away. */
export function showBusy() {
  byId("answer").dataset.state = "busy";
}

/** Shows that nothing was asked. */
export function showEmpty() {
  byId("answer").dataset.state = "empty";
  byId("verdict").textContent = "Nothing asked yet.";
  byId("bars").replaceChildren();
  for (const id of ["expected", "warnings", "answer-time", "compared"]) byId(id).textContent = "";
}

/** Shows that a question was not answered. */
export function showUnanswered() {
  if (byId("answer").dataset.state === "busy") showEmpty();
}

/** Post-processings whose values are parts of one. */
const SHARES = ["softmax", "sigmoid", "normalize_l1", "sigmoid_normalize_l1"];

/** Shows an answer of a model as bars; `newer` tells that another question is under way already. */
export function showAnswer(question, prediction, { output: { postprocessing } }, newer) {
  const { values, raw, labels, timings, warnings } = prediction;
  // A model that gives the class alone is shown by the scores it was chosen by.
  const outcomes = question.outcomes(values.length === raw.length ? values : raw, labels);
  const best = outcomes.reduce((a, b) => (b.value > a.value ? b : a));
  byId("answer").dataset.state = newer ? "busy" : "answered";
  byId("verdict").textContent = question.verdict(best, prediction);
  byId("expected").textContent = question.expected ?? "";
  byId("warnings").textContent = warnings.map(({ message }) => `${message}. The answer may mean little.`).join(" ");
  byId("answer-time").textContent = `${milliseconds(timings.total)} from your input to this answer`;
  const list = byId("bars");
  const names = outcomes.map(({ label }) => label).join("\n");
  // The same bars move when the labels are the same.
  if (list.dataset.labels !== names || !list.children.length) {
    list.dataset.labels = names;
    list.replaceChildren(...outcomes.map(bar));
  }
  const isShare = SHARES.includes(postprocessing) && outcomes.every(({ value }) => value >= 0);
  // Shares of one fill their part of the bar; other numbers, their part of the largest, to the left where below zero.
  const most = isShare ? 1 : Math.max(...outcomes.map(({ value }) => Math.abs(value)), Number.MIN_VALUE);
  list.dataset.most = String(most);
  list.classList.toggle("signed", outcomes.some(({ value }) => value < 0));
  const format = question.format ?? (isShare ? percent : (value) => value.toPrecision(4));
  outcomes.forEach((outcome, i) => fill(list.children[i], outcome, outcome === best, most, format));
}

/** Shows the answer on plain numbers beside the encrypted one. */
export function showComparison(question, { values, labels }, plain) {
  const outcomes = question.outcomes(plain, labels, values);
  const { children, dataset, classList } = byId("bars");
  const items = [...children];
  const place = (part) => (classList.contains("signed") ? (part + 1) / 2 : part);
  outcomes.forEach(({ value }, i) => {
    const mark = items[i]?.querySelector(".plain");
    if (!mark) return;
    mark.hidden = false;
    mark.style.left = `${place(Math.max(-1, Math.min(value / Number(dataset.most), 1))) * 100}%`;
  });
  const difference = Math.max(...values.map((value, i) => Math.abs(value - plain[i])));
  const agreement = (question.agreement ?? sameAnswer)(values, plain);
  byId("compared").dataset.difference = String(difference);
  byId("compared").textContent =
    `${agreement} without encryption (the marks); ` +
    `the largest difference is ${difference.toExponential(1)}. It was computed in this page.`;
}

function sameAnswer(values, plain) {
  const top = (list) => list.indexOf(Math.max(...list));
  const same = values.length === 1 ? values[0] > 0.5 === plain[0] > 0.5 : top(values) === top(plain);
  return same ? "The same answer" : "A different answer";
}

/** Takes the comparison away. */
export function hideComparison() {
  byId("compared").textContent = "";
  delete byId("compared").dataset.difference;
  for (const mark of byId("bars").querySelectorAll(".plain")) mark.hidden = true;
}

function bar({ label, note }) {
  const mark = element("div", { className: "plain", hidden: true });
  const track = element("span", { className: "track", ariaHidden: "true" }, element("div", { className: "fill" }), mark);
  const item = element("li", { dataset: { label } }, element("span", {}, label), track, element("span", { className: "percent" }));
  if (note) item.append(element("small", {}, note));
  return item;
}

function fill(item, { value }, isBest, most, format) {
  item.classList.toggle("first", isBest);
  item.dataset.value = String(value);
  item.querySelector(".fill").style.transform = `scaleX(${value / most})`;
  item.querySelector(".percent").textContent = format(value);
}
