// Time of every question, the way to the first answer, and how good the answers are.

import { byId, element, shape } from "./dom.js";
import { milliseconds } from "./format.js";

const PARTS = [
  { name: "encrypt", title: "encrypt" },
  { name: "roundTrip", title: "server and network" },
  { name: "decrypt", title: "decrypt" },
];
const SHOWN = 30;
const [WIDTH, HEIGHT] = [400, 120];

/** Shows the times of the last questions as stacked columns. */
export function showHistory(history) {
  const shown = history.slice(-SHOWN);
  const most = Math.max(...shown.map(({ total }) => total), 1);
  const pitch = WIDTH / SHOWN;
  const columns = shown.map((timings, i) => {
    let top = HEIGHT;
    const parts = PARTS.map(({ name }) => {
      const height = (timings[name] / most) * HEIGHT;
      top -= height;
      return shape("rect", { class: name, x: i * pitch + 1, y: top, width: pitch - 2, height: Math.max(height, 0.5) });
    });
    return shape("g", {}, shape("title", {}, `${milliseconds(timings.total)}`), ...parts);
  });
  const sorted = shown.map(({ total }) => total).sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)];
  const label = `${shown.length} questions; the median takes ${milliseconds(median)}, the longest ${milliseconds(most)}.`;
  byId("history").replaceChildren(
    shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label, preserveAspectRatio: "none" }, ...columns),
  );
  byId("history-legend").replaceChildren(
    ...PARTS.map(({ name, title }) => element("span", { className: name }, title)),
    element("span", {}, shown.length === 1 ? milliseconds(median) : `median ${milliseconds(median)}, longest ${milliseconds(most)}`),
  );
}

/** Shows what the time to the first answer went into: `[{ title, begun, ended }]`, since the page was asked for. */
export function showStart(marks) {
  const whole = Math.max(...marks.map(({ ended }) => ended));
  byId("start").dataset.total = String(whole);
  byId("start").replaceChildren(
    ...marks.map(({ title, begun, ended }) => {
      const track = element("span", { className: "track", ariaHidden: "true" }, element("span", { className: "span" }));
      Object.assign(track.firstChild.style, { left: `${(begun / whole) * 100}%`, width: `${(Math.max(ended - begun, 1) / whole) * 100}%` });
      return element("li", { dataset: { ms: String(ended - begun) } }, element("span", {}, title), track, element("span", { className: "time" }, milliseconds(ended - begun)));
    }),
    element("li", { className: "whole" }, element("span", {}, "In all"), element("span"), element("span", { className: "time" }, milliseconds(whole))),
  );
}

/** Shows how a model does on samples it was not trained on, with and without encryption. */
export function showFacts({ model_id: name, version }, figures) {
  const known = figures[name];
  const percent = (count) => `${((count / known.labelled) * 100).toFixed(2)} %`;
  const ranking = known?.ranking;
  const searched = ranking && [
    ["Questions, all asked under encryption", String(ranking.samples)],
    ["The same ten words as in the clear", `${ranking.same} of ${ranking.samples}`],
    ["In the same order", `${ranking.same_order} of ${ranking.samples}`],
    ["Largest error of a score", known.largest_error.toPrecision(2)],
  ];
  const classified = known
    ? [
        ["Accuracy without encryption", percent(known.plain_correct)],
        ["Accuracy under encryption", percent(known.encrypted_correct)],
        ["Held-out samples, all inferred under encryption", String(known.samples)],
        ["Answers that encryption changed", String(known.flips.length)],
        ["Largest error of a raw output", known.largest_error.toPrecision(2)],
      ]
    : [["Model", `${name} ${version}`], ["Figures", "this page has none for it; its report.json does"]];
  const facts = searched ?? classified;
  byId("facts").replaceChildren(...facts.map(([title, value]) => element("div", {}, element("dt", {}, title), element("dd", {}, value))));
}
