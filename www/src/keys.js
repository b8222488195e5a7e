// The line that tells how far this browser's keys are.

import { byId } from "./dom.js";
import { bytes, milliseconds } from "./format.js";

/** States in which nothing goes on by itself. */
const ENDS = ["offered", "ready", "failed"];

const show = (state, text, share) => {
  byId("keys-text").parentElement.dataset.state = state;
  byId("keys-text").textContent = text;
  byId("keys-progress").value = share;
  byId("keys-start").hidden = state !== "offered";
  // Each key would be read out; how it ends is enough.
  byId("keys-said").textContent = ENDS.includes(state) ? text : "";
};

export const showConnecting = () => show("waiting", "Connecting …", 0);

export const showKeysFailed = () => show("failed", "This page's keys are not on the server yet.", 0);

/** Shows what the keys of a model weigh, with a button to make them. */
export const showKeysOffered = (size) =>
  show("offered", `This model's evaluation keys are ${bytes(size)}, to be uploaded once. Nothing is sent before you say so.`, 0);

/** Shows how many keys the server has. */
export function showKeyProgress({ done, total, bytes: sent, totalBytes }) {
  const text = `Evaluation keys, made here, to compute with and not to read: ${done} of ${total}, ${bytes(sent)} of ${bytes(totalBytes)}.`;
  show("making", text, totalBytes ? sent / totalBytes : 1);
}

/** Shows that everything is there. */
export function showKeysReady({ bytes: sent, timings }) {
  const text = `Evaluation keys: ${bytes(sent)}, once, in ${milliseconds(timings.total)}. The secret key stays here.`;
  show("ready", text, 1);
}
