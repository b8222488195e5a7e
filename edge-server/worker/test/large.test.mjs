// An isolate's memory, module and JavaScript together. Models whose diagonals and keys do not fit it, each by itself: they
// are held in less memory, and answer right. Those that are deployed by default.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { connect } from "encrypted-inference";

import { SHIPPED, startWorker } from "../local/worker.mjs";
import { watchJavaScript } from "./inspector.mjs";
import { ADMIN_TOKEN, MODULE_BYTES, QUESTIONS, finished, killRuntime, memoryOf, packageOf, recordedInference } from "./support.mjs";

/** How each is held. */
const HELD = {
  wine_mlp: { factors: "Ahead", keys: "OneAtATime" },
  gunpoint_cnn: { factors: "AsUsed", keys: "OneAtATime" },
  fashion_resnet: { factors: "AsUsed", keys: "OneAtATime" },
  mnist_lenet: { factors: "AsUsed", keys: "OneAtATime" },
};
const variables = { OPEN: "true", ADMIN_TOKEN };

/** Most that buffers on their way have: keys into the bucket, one that is read, parts of bodies. */
const BUFFER_BYTES = 8 * 2 ** 20;
/** What the first parts of a body come in, see src/request.rs. */
const FIRST_PARTS_BYTES = 4 * 2 ** 10;

/**
 * Asserts that the module has kept to its part of an isolate, and that buffers of JavaScript's are used again or let go.
 * How much both have had together, with V8's garbage, is told.
 */
async function fits(context, worker, javascript) {
  const { module, text } = await memoryOf(worker.url, javascript);
  context.diagnostic(text);
  assert.ok(module > 2 ** 20 && module <= MODULE_BYTES, text);
  assert.ok(javascript.mostBuffers > 0 && javascript.mostBuffers <= BUFFER_BYTES, `${javascript.mostBuffers}, ${text}`);
  return javascript.stops;
}

for (const [name, { factors, keys }] of Object.entries(HELD)) {
  test(`${name} answers as the plain model does, in its part of an isolate's memory`, async (context) => {
    const log = [];
    const worker = await startWorker({ packages: [packageOf(name)], variables, page: false, inspector: true, log: (line) => log.push(line) });
    try {
      const model = await (await connect(worker.url)).model(name);
      const javascript = await watchJavaScript(worker.inspector);
      await model.prepareKeys();
      for (const { input, isRight } of QUESTIONS[name]) {
        const { values } = await model.predict(input);
        assert.ok(isRight(values), `${values}`);
      }
      assert.ok((await fits(context, worker, await javascript.end())) > 0, "it was looked at within an evaluation");
      const of = (text) => log.filter((line) => line.includes(text)).map((line) => JSON.parse(line).fields);
      assert.deepEqual(of('"held in less memory').map(({ factors, keys }) => ({ factors, keys })), [{ factors, keys }]);
      const stored = (await worker.files("keys/")).length;
      assert.ok(stored > 5, `${stored} keys`);
      assert.deepEqual(of('"keys copied').map(({ files }) => files), [stored], "all of them, once");
      await model.close();
    } finally {
      await worker.stop();
    }
  });
}

test("several callers at once whose keys are not copied yet are answered right, in their part of an isolate's memory", async (context) => {
  const NAME = "mnist_lenet";
  const tokens = ["a-token-of-the-first-tenant-0123456789", "a-token-of-the-second-tenant-012345678"];
  const log = [];
  const worker = await startWorker({
    packages: [packageOf(NAME)],
    variables: { TOKENS: tokens.join(" "), ADMIN_TOKEN },
    page: false,
    inspector: true,
    log: (line) => log.push(line),
  });
  try {
    // Two key sets of one tenant, one of another.
    const models = await Promise.all([tokens[0], tokens[0], tokens[1]].map(async (token) => (await connect(worker.url, { token })).model(NAME)));
    const javascript = await watchJavaScript(worker.inspector);
    await Promise.all(models.map((model) => model.prepareKeys()));
    const copied = () => log.filter((line) => line.includes('"keys copied'));
    assert.equal(copied().length, 0);
    const asked = models.flatMap((model) => QUESTIONS[NAME].slice(0, 2).map(({ input, isRight }) => ({ input, isRight, answer: model.predict(input) })));
    // Who is told to come back later comes back: the package does that by itself.
    for (const { answer, isRight } of asked) {
      const { values } = await answer;
      assert.ok(isRight(values), `${values}`);
    }
    assert.equal(copied().length, models.length, "each set, once");
    assert.ok((await fits(context, worker, await javascript.end())) > 0, "it was looked at within an evaluation");
    await Promise.all(models.map((model) => model.close()));
  } finally {
    await worker.stop();
  }
});

test("the models deployed by default and more keys than can be kept prepared stay in their part of an isolate's memory", async (context) => {
  const SETS = 4;
  const worker = await startWorker({ packages: SHIPPED, variables, page: false, inspector: true });
  try {
    const api = await connect(worker.url);
    const javascript = await watchJavaScript(worker.inspector);
    for (let round = 0; round < 2; round += 1) {
      const models = await Promise.all(api.models.flatMap(({ model_id: name }) => Array.from({ length: SETS }, () => api.model(name))));
      await Promise.all(models.map((model) => model.prepareKeys()));
      const asked = models.flatMap((model) => QUESTIONS[model.info.model_id].slice(0, 3).map(({ input, isRight }) => ({ isRight, answer: model.predict(input) })));
      for (const { answer, isRight } of asked) assert.ok(isRight((await answer).values));
      await Promise.all(models.map((model) => model.close()));
    }
    await fits(context, worker, await javascript.end());
  } finally {
    await worker.stop();
  }
});

test("many callers who may not send anything, and send it slowly, have little of an isolate's memory", async () => {
  const BODIES = 150;
  const worker = await startWorker({ packages: [packageOf("breast_cancer_logistic")], variables: { TOKENS: "a-token-that-nobody-has-0123456789" }, page: false, inspector: true });
  const { hostname, port } = new URL(worker.url);
  const sockets = [];
  try {
    await fetch(`${worker.url}/health`);
    const javascript = await watchJavaScript(worker.inspector);
    for (let at = 0; at < BODIES; at += 1) {
      const socket = createConnection(Number(port), hostname);
      sockets.push(socket);
      await once(socket, "connect");
      socket.write(`POST /infer HTTP/1.1\r\nHost: ${hostname}:${port}\r\nContent-Type: application/cbor\r\nContent-Length: 100\r\n\r\nx`);
    }
    await sleep(1000);
    const { mostBuffers } = await javascript.end();
    assert.ok(mostBuffers >= BODIES * FIRST_PARTS_BYTES && mostBuffers <= BODIES * FIRST_PARTS_BYTES + 2 ** 20, `${mostBuffers}`);
  } finally {
    sockets.forEach((socket) => socket.destroy());
    await worker.stop();
  }
});

test("keys that were copied are there after the isolate has ended", async () => {
  const data = await mkdtemp(join(tmpdir(), "worker-"));
  const log = [];
  const start = () => startWorker({ packages: [packageOf("wine_mlp")], variables, data, page: false, log: (line) => log.push(line) });
  const copied = () => log.filter((line) => line.includes('"keys copied')).length;
  let worker = await start();
  try {
    const inference = await recordedInference(worker.url, "wine_mlp");
    const infer = async () => finished(worker.url, (await (await fetch(`${worker.url}/infer`, inference)).json()).job_id);
    const { result } = await infer();
    assert.equal(copied(), 1);
    await killRuntime();
    await worker.stop();
    worker = await start();
    assert.deepEqual((await infer()).result, result);
    assert.equal(copied(), 1, "they were there");
  } finally {
    await worker.stop();
    await rm(data, { recursive: true, force: true });
  }
});
