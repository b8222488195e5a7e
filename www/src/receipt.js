// What left this browser: the ciphertext as a picture, every request as a line, bytes in all.

import { byId, element, paintGrey } from "./dom.js";
import { bytes, milliseconds } from "./format.js";

/** Lines of the log that are kept on the page. */
const LINES = 200;

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

/** Shows the ciphertext, one pixel for each byte in the largest square that they fill, and what was sent in all. */
export function showReceipt({ sent, bytes: sizes, timings }, totals) {
  const noise = byId("noise");
  const [ciphertext] = sent;
  const edge = Math.floor(Math.sqrt(ciphertext.length));
  if (noise.width !== edge) Object.assign(noise, { width: edge, height: edge });
  paintGrey(noise, ciphertext);
  byId("noise-caption").textContent =
    `${bytes(sizes.request)} of noise in, ${bytes(sizes.response)} of noise out, ${milliseconds(timings.roundTrip)} to compute on it and to travel.`;
  byId("ledger").replaceChildren(...ledger(sizes, totals));
}

/** Shows a request in the log, or how it ended. */
export function showRequest(request) {
  const log = byId("traffic");
  const isAtEnd = log.scrollTop + log.clientHeight > log.scrollHeight - 40;
  request.line ??= log.appendChild(element("p", {}));
  const { method, path, status, failed, sent, received } = request;
  const outcome = failed ? "no answer" : (status ?? "…");
  request.line.replaceChildren(
    element("b", {}, method),
    ` ${short(path)} `,
    element("span", { className: failed || status >= 400 ? "bad" : "good" }, String(outcome)),
    sent ? ` ${bytes(sent)} in` : "",
    received ? ` ${bytes(received)} out` : "",
  );
  while (log.children.length > LINES) log.firstChild.remove();
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}

/** Identifiers are long; their beginnings tell them apart. */
const short = (path) => path.replace(/[0-9a-f]{20,}/g, (id) => `${id.slice(0, 6)}…`);

function ledger({ request, response }, totals) {
  const rows = [
    ["Evaluation keys sent", "before", bytes(totals.keys)],
    ["Encrypted input sent", bytes(request), `${bytes(totals.request)} in ${totals.questions}`],
    ["Encrypted answer received", bytes(response), bytes(totals.response)],
    ["Input, answer, secret key sent", "never", "never"],
  ];
  return rows.map(([title, ...values]) => {
    const cells = values.map((value) => element("td", { className: value === "never" ? "never" : "" }, value));
    return element("tr", {}, element("th", { scope: "row" }, title), ...cells);
  });
}
