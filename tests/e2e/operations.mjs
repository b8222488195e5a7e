// What the client's operations take in a page: by themselves in its Web Worker, and for the page, which waits for the
// worker's answer.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { decode } from "cborg";
import { connect } from "encrypted-inference";

import { openPage } from "./chromium.mjs";
import { serveFiles } from "./files.mjs";
import { ROOT } from "./server.mjs";

/** A page that is isolated has a clock with steps of 5 µs, where others have 100 µs. */
const ISOLATED = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };
const PAGE = '<!doctype html><title>operations</title><link rel="icon" href="data:,">';
const WORKER = "operations.worker.mjs";

/** Medians for a model, in milliseconds: `keys`, `encrypt` and `decrypt` by themselves; `waited` for the last two. */
export async function operationsInPage(browser, server, name, input) {
  const pages = { "/page.html": PAGE, [`/${WORKER}`]: await readFile(join(ROOT, "tests/e2e", WORKER)) };
  const files = await serveFiles(join(ROOT, "client-wasm/js"), { headers: () => ISOLATED, pages });
  const { page, close } = await openPage(browser, `${files.url}page.html`);
  assert.ok(await page.evaluate(() => globalThis.crossOriginIsolated), "the page has a fine clock");
  const alone = await page.evaluate(byThemselves, { address: `/${WORKER}`, ...(await exchange(server.url, name, input)) });
  const waited = await page.evaluate(waitedFor, { url: server.url, name, input: [...input] });
  await close();
  files.close();
  return { model: name, ...alone, waited };
}

/** A key with its model, an input and its result. */
async function exchange(url, name, input) {
  const model = await (await connect(url)).model(name);
  const { received, raw } = await model.predict(input);
  const { model: info, parameters, secret } = decode(await model.exportKeys());
  await model.close();
  return { model: info, parameters, secret: [...secret], input: [...input], result: [...received], raw };
}

/** In a page: asks the worker. */
async function byThemselves({ address, secret, input, result, raw, ...published }) {
  const worker = new Worker(address, { type: "module" });
  const { decrypted, ...measured } = await new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
    worker.postMessage({ ...published, secret: Uint8Array.from(secret), input: Float64Array.from(input), result: Uint8Array.from(result) });
  });
  worker.terminate();
  if (raw.some((value, i) => value !== decrypted[i])) throw new Error("what was measured is not the decryption of the answer");
  return measured;
}

/** In a page: what it waits for encryption and decryption in its predictions. */
async function waitedFor({ url, name, input }) {
  const RUNS = 101;
  const { connect } = await import("/dist/index.js");
  const model = await (await connect(url)).model(name);
  for (let i = 0; i < 5; i += 1) await model.predict(input);
  const runs = [];
  for (let i = 0; i < RUNS; i += 1) runs.push((await model.predict(input)).timings);
  await model.close();
  const median = (what) => runs.map((timings) => timings[what]).sort((a, b) => a - b)[RUNS >> 1];
  return { encrypt: median("encrypt"), decrypt: median("decrypt") };
}
