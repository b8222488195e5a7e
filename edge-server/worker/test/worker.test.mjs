// The Worker in workerd, asked by the npm package.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { connect } from "encrypted-inference";

import { startWorker } from "../local/worker.mjs";
import { ADMIN_TOKEN, QUESTIONS, metric, packageOf } from "./support.mjs";

/** What the module may take of the 128 MB of an isolate, see src/memory.rs. */
const MODULE_BYTES = 104 * 2 ** 20;
/** Milliseconds after which workerd puts an object away that nobody asks. */
const IDLE = 12_000;

let worker;
const log = [];
before(async () => {
  worker = await startWorker({ variables: { OPEN: "true", ORIGINS: "*", ADMIN_TOKEN }, log: (line) => log.push(line) });
});
after(() => worker?.stop());

test("every shipped model answers right, and all of them stay within the memory of an isolate", async () => {
  const api = await connect(worker.url);
  for (const [name, questions] of Object.entries(QUESTIONS)) {
    const model = await api.model(name);
    for (const { input, isRight } of questions) {
      const { values } = await model.predict(input);
      assert.ok(isRight(values), `${name}: ${values}`);
    }
    await model.close();
  }
  const bytes = await metric(worker.url, "edge_server_resident_bytes");
  assert.ok(bytes > 2 ** 20 && bytes <= MODULE_BYTES, `${bytes} bytes`);
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

test("a model that does not fit is refused with the figure, and nothing is served", async () => {
  const log = [];
  const full = await startWorker({
    packages: [packageOf("breast_cancer_logistic"), packageOf("mnist_lenet")],
    variables: { OPEN: "true" },
    log: (line) => log.push(line),
  });
  try {
    assert.equal((await fetch(`${full.url}/models`)).status, 500);
    assert.match(log.join("\n"), /mnist_lenet 1\.0\.0 does not fit a Worker: an evaluation takes \d+\.\d MB, \d+\.\d MB are left/);
  } finally {
    await full.stop();
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
