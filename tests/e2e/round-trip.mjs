// Whole predictions over HTTP on loopback, from this Node and from a Chromium to the real server: one line of JSON per
// model.

import { join } from "node:path";

import { openPage, startChromium } from "./chromium.mjs";
import { serveFiles } from "./files.mjs";
import { firstEncryption } from "./first.mjs";
import { EXAMPLES } from "./plain.mjs";
import { ROOT, startServer } from "./server.mjs";

/** Medians of a model, with the package at an address: for this Node or a page, to which it goes as text. */
async function measure({ address, url, name, input }) {
  const RUNS = 101;
  const KEY_RUNS = 9;
  const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
  const { connect } = await import(address);
  const api = await connect(url);
  const uploads = [];
  for (let i = 0; i < KEY_RUNS; i += 1) {
    const model = await api.model(name);
    uploads.push((await model.prepareKeys()).timings.total);
    await model.forget();
  }
  const model = await api.model(name);
  await model.prepareKeys();
  // The first calls also compile the module and prepare the keys on the server.
  for (let i = 0; i < 5; i += 1) await model.predict(input);
  const runs = [];
  for (let i = 0; i < RUNS; i += 1) runs.push(await model.predict(input));
  await model.close();
  const of = (what) => median(runs.map(({ timings }) => timings[what]));
  return { keys_ms: median(uploads), total_ms: of("total"), encrypt_ms: of("encrypt"), round_trip_ms: of("roundTrip"), decrypt_ms: of("decrypt"), ...runs[0].bytes };
}

const [server, browser, files] = await Promise.all([startServer(), startChromium(), serveFiles(join(ROOT, "client-wasm/js"), { pages: { "/page.html": "<!doctype html><title>empty</title>" } })]);
const { page } = await openPage(browser, `${files.url}page.html`);
for (const [name, input] of Object.entries(EXAMPLES)) {
  const asked = { url: server.url, name, input: [...input] };
  const node = await measure({ address: "encrypted-inference", ...asked });
  const chromium = await page.evaluate(measure, { address: "/dist/index.js", ...asked });
  console.log(JSON.stringify({ model: name, first_ms: firstEncryption(name), ...node, chromium }));
}
files.close();
await browser.close();
await server.stop();
