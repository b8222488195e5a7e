// The line that tells how far this browser's keys are.

import { byId } from "./dom.js";
import { bytes, milliseconds } from "./format.js";

const show = (state, text, share) => {
  byId("keys-text").parentElement.dataset.state = state;
  byId("keys-text").textContent = text;
  byId("keys-progress").value = share;
};

export const showConnecting = () => show("waiting", "Connecting …", 0);

export const showKeysFailed = () => show("failed", "The keys of this page are not on the server yet.", 0);

/** Shows how many keys the server has. */
export function showKeyProgress({ done, total, bytes: sent, totalBytes }) {
  const text = `Making keys in this browser and uploading those that are public: ${done} of ${total}, ${bytes(sent)} of ${bytes(totalBytes)}`;
  show("making", text, sent / totalBytes);
}

/** Shows that everything is there. */
export function showKeysReady({ bytes: sent, timings }) {
  const text = `Keys are ready. Made and uploaded in ${milliseconds(timings.total)}, ${bytes(sent)}, once; the secret key stays in this page.`;
  show("ready", text, 1);
}
