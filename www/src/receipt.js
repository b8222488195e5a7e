// The card that shows what left the browser: bytes, ciphertext, times, parameters.

import { byId, element, paintGrey } from "./dom.js";
import { bytes, milliseconds } from "./format.js";

const HEX_LINES = 32;
const HEX_COLUMNS = 16;

const STEPS = [
  { name: "encrypt", title: "encrypt, here" },
  { name: "roundTrip", title: "server evaluates, and network", style: "infer" },
  { name: "decrypt", title: "decrypt, here" },
];

/** What one session has sent and received so far. */
export class Totals {
  keys = 0;
  request = 0;
  response = 0;
  questions = 0;

  add({ request, response }) {
    this.questions += 1;
    this.request += request;
    this.response += response;
  }
}

/** Shows one question and its answer. */
export function showReceipt(question, { sent, timings, bytes: sizes }, { info, parameters }, totals) {
  byId("receipt").hidden = false;
  byId("seen-figure").hidden = !question.grey;
  if (question.grey) paintGrey(byId("seen"), question.grey);
  showCiphertext(sent[0]);
  byId("ledger").replaceChildren(...ledger(sizes, totals));
  byId("timeline").replaceChildren(...STEPS.map((step) => block(step, timings)));
  byId("security").textContent = describeSecurity(info, parameters);
}

/** One pixel for each byte, in a square that holds them all, and the first bytes as numbers. */
function showCiphertext(ciphertext) {
  const noise = byId("noise");
  const edge = Math.floor(Math.sqrt(ciphertext.length));
  if (noise.width !== edge) Object.assign(noise, { width: edge, height: edge });
  paintGrey(noise, ciphertext);
  byId("hex").textContent = Array.from({ length: HEX_LINES }, (_, line) => hexLine(ciphertext, line * HEX_COLUMNS)).join("\n");
}

function hexLine(data, offset) {
  const columns = Array.from(data.subarray(offset, offset + HEX_COLUMNS), (byte) => byte.toString(16).padStart(2, "0"));
  return `${offset.toString(16).padStart(4, "0")}  ${columns.join(" ")}`;
}

function ledger({ request, response }, totals) {
  const rows = [
    ["Sent: evaluation keys, to compute with, not to read", "before", bytes(totals.keys)],
    ["Sent: encrypted input", bytes(request), `${bytes(totals.request)} in ${totals.questions}`],
    ["Received: encrypted answer", bytes(response), bytes(totals.response)],
    ["Sent: input, answer, secret key", "never", "never"],
  ];
  return rows.map(([title, ...values]) => {
    const cells = values.map((value) => element("td", { className: value === "never" ? "never" : "" }, value));
    return element("tr", {}, element("th", { scope: "row" }, title), ...cells);
  });
}

function block({ name, title, style = name }, timings) {
  const made = element(
    "div",
    { dataset: { step: name } },
    element("span", { className: `block ${style}` }),
    element("span", {}, milliseconds(timings[name])),
    element("span", { className: "muted" }, title),
  );
  made.style.flexGrow = String(Math.max(timings[name], 0.1));
  return made;
}

function describeSecurity({ model_id, version }, { log_degree, security, params_id }) {
  const { bits, log_qp, max_log_qp } = security;
  return (
    `${model_id} ${version} is asked with CKKS at ${bits} bits of classical security: ring degree 2^${log_degree}, ` +
    `log2(QP) = ${log_qp.toFixed(0)} where ${max_log_qp} is the most allowed (Bossuat et al. 2024, Table 5.2). ` +
    `Parameters ${params_id.slice(0, 16)}….`
  );
}
