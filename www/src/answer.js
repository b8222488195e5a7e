// The card with the decrypted answer.

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
  byId("expected").textContent = "";
  byId("answer-time").textContent = "";
}

/** Shows that a question was not answered. */
export function showUnanswered() {
  if (byId("answer").dataset.state === "busy") showEmpty();
}

/** Shows an answer as bars; `newer` tells that another question is under way already. */
export function showAnswer(question, { values, labels, timings }, newer) {
  const outcomes = question.outcomes(values, labels);
  const best = outcomes.reduce((a, b) => (b.value > a.value ? b : a));
  byId("answer").dataset.state = newer ? "busy" : "answered";
  byId("verdict").textContent = question.verdict(best);
  byId("expected").textContent = question.expected ?? "";
  byId("answer-time").textContent = `${milliseconds(timings.total)} in all`;
  const list = byId("bars");
  // The same bars move when the labels are the same.
  if (list.dataset.labels !== String(outcomes.map(({ label }) => label)) || !list.children.length) {
    list.dataset.labels = String(outcomes.map(({ label }) => label));
    list.replaceChildren(...outcomes.map(({ label }) => bar(label)));
  }
  outcomes.forEach((outcome, i) => fill(list.children[i], outcome, outcome === best));
}

function bar(label) {
  const track = element("span", { className: "track", ariaHidden: "true" }, element("div", { className: "fill" }));
  return element("li", { dataset: { label } }, element("span", {}, label), track, element("span", { className: "percent" }));
}

function fill(item, { value }, isBest) {
  item.classList.toggle("first", isBest);
  item.dataset.value = String(value);
  item.querySelector(".fill").style.transform = `scaleX(${Math.min(Math.max(value, 0), 1)})`;
  item.querySelector(".percent").textContent = percent(value);
}
