// The Worker in workerd, asked by the npm package.

import assert from "node:assert/strict";
import { basename, dirname } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { connect } from "encrypted-inference";

import { SHIPPED, packagesBelow, startWorker } from "../local/worker.mjs";
import { ADMIN_TOKEN, MODULE_BYTES, QUESTIONS, metric, packageOf, versionsOf } from "./support.mjs";

/** Milliseconds after which workerd puts an object away that nobody asks. */
const IDLE = 12_000;

let worker;
const log = [];
before(async () => {
  worker = await startWorker({ variables: { OPEN: "true", ORIGINS: "*", ADMIN_TOKEN }, log: (line) => log.push(line) });
});
after(() => worker?.stop());

test("every model of a deployment as shipped answers right, and all of them stay within the memory of an isolate", async () => {
  const api = await connect(worker.url);
  for (const name of SHIPPED.map((folder) => basename(dirname(folder)))) {
    const model = await api.model(name);
    for (const { input, isRight } of QUESTIONS[name]) {
      const { values } = await model.predict(input);
      assert.ok(isRight(values), `${name}: ${values}`);
    }
    await model.close();
  }
  const bytes = await metric(worker.url, "edge_server_resident_bytes");
  assert.ok(bytes > 2 ** 20 && bytes <= MODULE_BYTES, `${bytes} bytes`);
});

test("a search gives the scores of the plain model", async () => {
  const search = await startWorker({ packages: [packageOf("gloss_search")], variables: { OPEN: "true" }, page: false });
  try {
    const model = await (await connect(search.url)).model("gloss_search");
    for (const { input, isRight } of QUESTIONS.gloss_search) assert.ok(isRight((await model.predict(input)).values));
    await model.close();
  } finally {
    await search.stop();
  }
});

test("an object that was put away starts again in the memory that is there, with all it had stored", async () => {
  const model = await (await connect(worker.url)).model("mnist_mlp");
  const [{ input, isRight }] = QUESTIONS.mnist_mlp;
  await model.predict(input);
  const before = await metric(worker.url, "edge_server_resident_bytes");
  const starts = () => log.filter((line) => line.includes('"message":"memory"')).length;
  const started = starts();
  await sleep(IDLE);
  assert.ok(isRight((await model.predict(input)).values));
  assert.equal(starts(), started + 1, "it was put away");
  assert.equal(await metric(worker.url, "edge_server_resident_bytes"), before);
  await model.close();
});

test("models that do not fit are refused with the figures, and nothing is served", async () => {
  const log = [];
  const { folder, remove } = await versionsOf("mnist_lenet", 8);
  const full = await startWorker({
    packages: await packagesBelow(folder),
    variables: { OPEN: "true" },
    log: (line) => log.push(line),
  });
  try {
    assert.equal((await fetch(`${full.url}/models`)).status, 500);
    assert.match(log.join("\n"), /mnist_lenet 1\.0\.\d does not fit: an evaluation takes \d+\.\d MB, \d+\.\d MB are left/);
  } finally {
    await full.stop();
    await remove();
  }
});

test("after models that did not fit, one that does is loaded in the same isolate", async () => {
  const log = [];
  const { folder, remove } = await versionsOf("mnist_lenet", 8);
  const worker = await startWorker({ packages: await packagesBelow(folder), variables: { OPEN: "true", ADMIN_TOKEN }, page: false, log: (line) => log.push(line) });
  try {
    assert.equal((await fetch(`${worker.url}/models`)).status, 500);
    await worker.remove("packages/");
    await worker.put([packageOf("mnist_lenet")]);
    assert.equal((await fetch(`${worker.url}/models`)).status, 200, log.join("\n"));
    const { loaded, grown } = JSON.parse(log.find((line) => line.includes('"message":"memory"'))).fields;
    assert.ok(loaded < grown / 2, `the isolate is the same: ${loaded} of ${grown} bytes are in use`);
    const model = await (await connect(worker.url)).model("mnist_lenet");
    const [{ input, isRight }] = QUESTIONS.mnist_lenet;
    assert.ok(isRight((await model.predict(input)).values));
    await model.close();
    const module = await metric(worker.url, "edge_server_resident_bytes");
    assert.ok(module <= grown, `what was used before is used again: ${module} of ${grown} bytes`);
  } finally {
    await worker.stop();
    await remove();
  }
});

test("a wrong variable is refused by name", async () => {
  const log = [];
  const wrong = await startWorker({ variables: { QUEUE: "many" }, log: (line) => log.push(line) });
  try {
    assert.equal((await fetch(`${wrong.url}/health`)).status, 500);
    assert.match(log.join("\n"), /QUEUE: expected a number, found many/);
  } finally {
    await wrong.stop();
  }
});

test("the operator is answered, and nobody else", async () => {
  assert.equal((await fetch(`${worker.url}/admin/metrics`)).status, 404);
  const headers = { authorization: "Bearer wrong" };
  assert.equal((await fetch(`${worker.url}/admin/metrics`, { headers })).status, 404);
  const page = await fetch(`${worker.url}/admin`, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } });
  assert.equal(page.status, 200);
  assert.match(await page.text(), /mnist_mlp/);
});

test("the page is served with its content policy", async () => {
  const page = await fetch(`${worker.url}/`);
  assert.equal(page.status, 200);
  assert.match(await page.text(), /<title>/);
  assert.match(page.headers.get("content-security-policy"), /default-src 'self'/);
});
