// The protocol of the newest question, step by step, with the real bytes.

import { byId, element } from "./dom.js";
import { bytes, milliseconds, security } from "./format.js";

const COLUMNS = 16;
const LINES = 12;
/** Numbers of an answer that are shown. */
const VALUES = 40;

/** What is done to decrypted numbers, to say it. */
function applied(postprocessing) {
  if (postprocessing === "none") return "";
  const isProbability = postprocessing === "sigmoid" || postprocessing === "softmax";
  return `, and ${postprocessing} ${isProbability ? "makes probabilities of them" : "is applied to them"}`;
}

const span = (requests) => Math.max(...requests.map(({ ended }) => ended)) - Math.min(...requests.map(({ begun }) => begun));

/** Shows the steps; those that are open stay open. */
export function showSteps(question, prediction, { info, parameters, keyId }, requests, opened) {
  const open = new Set([...byId("steps").querySelectorAll("details[open]")].map(({ dataset }) => dataset.step));
  const over = requests.filter(({ ended }) => ended !== undefined);
  const discovery = over.filter(({ method, path }) => method === "GET" && /\/(?:models|keys)$/.test(path)).slice(0, 2);
  const uploads = over.filter(({ method, path }) => method === "PUT" && path.includes(`/keys/${keyId}/`));
  const asked = over.findLast(({ path }) => path.endsWith("/infer"));
  const steps = [
    discovery.length > 0 && step("discover", "The server says what it offers", "there", {
      time: span(discovery),
      moved: `${bytes(sum(discovery, "received"))} received`,
      text: `Models, their shapes, and the exact parameters of the encryption. ${security(parameters)} The page checks that they hash to their name, ${parameters.params_id.slice(0, 16)}…, and that they are in the table of secure ones.`,
    }),
    opened && step("secret", "A secret key is made", "here", {
      time: opened.ended - opened.begun,
      moved: "nothing sent",
      text: `${parameters.poly_modulus_degree.toLocaleString("en")} coefficients of −1, 0 or 1 from the system's randomness, in a Web Worker. The time includes compiling the WebAssembly module. The key is in the memory of that worker alone. When this page is left, the worker is told to wipe it, and ends.`,
    }),
    uploads.length > 0 && step("keys", "Evaluation keys are made and uploaded, once", "there", {
      time: span(uploads),
      moved: `${bytes(sum(uploads, "sent"))} sent`,
      text: `${uploads.length} keys let the server rotate and multiply ciphertexts of this secret key; they cannot decrypt. The first of them:`,
      data: uploads[0].head,
      cells: uploads.length,
    }),
    step("encrypt", "The input is encrypted", "here", {
      time: prediction.timings.encrypt,
      moved: "nothing sent",
      text: `${question.input.length} numbers become ${prediction.sent.length === 1 ? "one ciphertext" : `${prediction.sent.length} ciphertexts`} of ${bytes(sum(prediction.sent, "length"))}: the same input gives other bytes each time. It begins with a header, then everything looks random:`,
      data: prediction.sent[0],
    }),
    step("infer", "The server computes on the ciphertext", "there", {
      time: prediction.timings.roundTrip,
      moved: `${bytes(prediction.bytes.request)} sent, ${bytes(prediction.bytes.response)} received`,
      text: `${info.description}. Each step works on ciphertexts; nothing is decrypted on the way. The answer is a ciphertext too:`,
      data: prediction.received,
      headers: asked?.headers,
    }),
    step("decrypt", "The answer is decrypted", "here", {
      time: prediction.timings.decrypt,
      moved: "nothing sent",
      text: `Only now are there numbers again${applied(info.output.postprocessing)}:`,
      values: prediction.raw,
    }),
  ].filter(Boolean);
  byId("steps").replaceChildren(...steps);
  for (const each of byId("steps").querySelectorAll("details")) each.open = open.has(each.dataset.step);
}

const sum = (list, name) => list.reduce((total, each) => total + (each[name] ?? 0), 0);

function step(name, title, place, { time, moved, text, data, values, cells, headers }) {
  const inside = [element("p", {}, text)];
  if (cells) inside.push(element("div", { className: "cells", ariaHidden: "true" }, ...Array.from({ length: cells }, () => element("i"))));
  if (headers) inside.push(element("pre", {}, headers.map(([key, value]) => `${key}: ${value}`).join("\n")));
  if (data) inside.push(element("pre", {}, hex(data)));
  if (values) inside.push(element("pre", {}, lines(values)));
  for (const pre of inside.filter(({ tagName }) => tagName === "PRE")) Object.assign(pre, { tabIndex: 0, ariaLabel: `Content of the step: ${title}` });
  return element(
    "li",
    { className: place, dataset: { time: String(time) } },
    element(
      "details",
      { dataset: { step: name } },
      element("summary", {}, element("span", { className: "name" }, title), element("span", { className: "moved" }, moved), element("span", { className: "time" }, milliseconds(time))),
      ...inside,
    ),
  );
}

function lines(values) {
  const shown = values.slice(0, VALUES).map((value) => value.toFixed(5));
  const rest = values.length - shown.length;
  return [...shown, ...(rest > 0 ? [`and ${rest.toLocaleString("en")} more`] : [])].join("\n");
}

function hex(data) {
  return Array.from({ length: LINES }, (_, line) => {
    const offset = line * COLUMNS;
    const columns = Array.from(data.subarray(offset, offset + COLUMNS), (byte) => byte.toString(16).padStart(2, "0"));
    return `${offset.toString(16).padStart(4, "0")}  ${columns.join(" ")}`;
  }).join("\n");
}
