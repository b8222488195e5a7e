import assert from "node:assert/strict";
import { test } from "node:test";

import { EncryptedInferenceError, connect, openKeys } from "encrypted-inference";
import { MODEL, answer, bodyOf, fakeServer, problem } from "./support.mjs";

const JOB = "9b2e61e27c3d4f0aa51a4bde32a1c6f0";

const open = async (server) => (await connect("https://server.test", { fetch: server.fetch, retries: 2 })).model("sum");

/** A server that answers `/infer` as told, after its keys are there. */
async function ready(infer) {
  const server = fakeServer(async (request, log) => (request.path === "/infer" || request.path.startsWith("/jobs/") ? infer(request, log) : undefined));
  const model = await open(server);
  await model.prepareKeys();
  return { server, model };
}

test("the request holds ciphertext, never the input", async () => {
  const { server, model } = await ready(() => problem(500, "EVALUATION_FAILED"));
  const input = [1.5, -2.25, 3.125, 4.0625];
  await assert.rejects(model.predict(input), { code: "EVALUATION_FAILED" });
  const request = server.log.find(({ path }) => path === "/infer");
  const body = bodyOf(request);
  assert.deepEqual(Object.keys(body).sort(), ["inputs", "key_id", "model_id", "version"]);
  assert.equal(body.inputs[0].encoding, "bytes");
  assert.equal(body.inputs[0].payload.length, 30292);
  const sent = Buffer.from(request.body);
  for (const array of [Float64Array.from(input), Float32Array.from(input)]) {
    for (const number of array) assert.equal(sent.indexOf(Buffer.from(array.constructor.of(number).buffer)), -1);
  }
  assert.match(request.headers["idempotency-key"], /^[0-9a-f-]{36}$/);
  assert.equal(request.headers.prefer, "wait=20");
});

test("equal inputs are encrypted differently each time", async () => {
  const { server, model } = await ready(() => problem(500, "EVALUATION_FAILED"));
  for (let i = 0; i < 2; i += 1) await assert.rejects(model.predict([1, 2, 3, 4]));
  const [first, second] = server.log.filter(({ path }) => path === "/infer").map(bodyOf);
  assert.notDeepEqual(first.inputs[0].payload, second.inputs[0].payload);
});

test("wrong inputs are refused before anything is sent", async () => {
  const { server, model } = await ready(() => assert.fail("nothing must be sent"));
  const before = server.log.length;
  await assert.rejects(model.predict([1, 2, 3]), { code: "INPUT_DIMENSION", message: /^The model takes 4 values, found 3\./ });
  for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY]) {
    await assert.rejects(model.predict([1, 2, 3, wrong]), { code: "INPUT_VALUE" });
  }
  assert.equal(server.log.length, before);
});

test("a job that takes longer is waited for", async () => {
  const states = ["queued", "running", "failed"];
  const { server, model } = await ready(({ path }) => {
    if (path === "/infer") return answer(202, { job_id: JOB, status: "accepted" });
    const status = states.shift();
    const error = { code: "EVALUATION_FAILED", status: 500, detail: "it failed", retryable: true };
    return answer(200, { job_id: JOB, status, ...(status === "failed" && { error }) });
  });
  await assert.rejects(model.predict([1, 2, 3, 4]), { code: "EVALUATION_FAILED", message: /^it failed\./ });
  assert.equal(server.log.filter(({ path }) => path === `/jobs/${JOB}`).length, 3);
});

test("a result that is not one is refused", async () => {
  const results = [{ payload: new Uint8Array(100) }, { payload: "text" }];
  const { model } = await ready(() => answer(200, { job_id: JOB, status: "completed", result: results.shift() }));
  await assert.rejects(model.predict([1, 2, 3, 4]), { code: "INVALID_BYTES" });
  await assert.rejects(model.predict([1, 2, 3, 4]), { code: "INVALID_ANSWER" });
});

test("a busy server is asked again when it says so", async () => {
  let busy = 2;
  const { server, model } = await ready(() =>
    busy-- > 0 ? problem(503, "QUEUE_FULL", true, { "retry-after": "0" }) : problem(409, "LEVEL_MISMATCH"),
  );
  await assert.rejects(model.predict([1, 2, 3, 4]), { code: "LEVEL_MISMATCH" });
  const keys = server.log.filter(({ path }) => path === "/infer").map(({ headers }) => headers["idempotency-key"]);
  assert.equal(keys.length, 3);
  assert.equal(new Set(keys).size, 1, "the same request");
});

test("a busy server is left alone as long as it says", async () => {
  const times = [];
  const { model } = await ready(() => {
    times.push(performance.now());
    return times.length === 1 ? problem(429, "RATE_LIMITED", true, { "retry-after": "1" }) : problem(409, "LEVEL_MISMATCH");
  });
  await assert.rejects(model.predict([1, 2, 3, 4]), { code: "LEVEL_MISMATCH" });
  assert.ok(times[1] - times[0] >= 990, `${times[1] - times[0]} ms`);
});

test("keys that were lost are uploaded again, once", async () => {
  const { server, model } = await ready(() => problem(409, "EVALUATION_KEYS_INCOMPLETE"));
  server.present.clear();
  await assert.rejects(model.predict([1, 2, 3, 4]), { code: "EVALUATION_KEYS_INCOMPLETE" });
  assert.equal(server.present.size, 2);
  assert.equal(server.log.filter(({ path }) => path === "/infer").length, 2);
});

test("a caller who gives up tells the server", async () => {
  const controller = new AbortController();
  const { server, model } = await ready(({ method, path }) => {
    if (path === "/infer") return answer(202, { job_id: JOB, status: "accepted" });
    if (method === "GET") controller.abort();
    return method === "GET" ? answer(200, { job_id: JOB, status: "running" }) : undefined;
  });
  await assert.rejects(model.predict([1, 2, 3, 4], { signal: controller.signal }), { code: "ABORTED" });
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(server.log.slice(-1).map(({ method, path }) => [method, path]), [["DELETE", `/jobs/${JOB}`]]);
});

test("a batch ends with its first error", async () => {
  let requests = 0;
  const { model } = await ready(() => {
    requests += 1;
    return problem(409, "LEVEL_MISMATCH");
  });
  await assert.rejects(model.predictBatch(new Array(10).fill([1, 2, 3, 4])), { code: "LEVEL_MISMATCH" });
  assert.ok(requests <= 2, `${requests}`);
});

test("an input can be encrypted now and sent later, by somebody without the key", async () => {
  const { server, model } = await ready(() => problem(409, "LEVEL_MISMATCH"));
  const { input } = await model.encrypt([1, 2, 3, 4]);
  assert.equal(server.log.filter(({ path }) => path === "/infer").length, 0);
  const offline = await openKeys(await model.exportKeys());
  assert.equal((await offline.encrypt([1, 2, 3, 4])).input.length, input.length);
  for (const call of [() => offline.predict([1, 2, 3, 4]), () => offline.prepareKeys(), () => offline.rotateKeys()]) {
    await assert.rejects(async () => call(), { code: "OFFLINE" });
  }
  const other = await connect("https://server.test", { fetch: server.fetch });
  for (let i = 0; i < 2; i += 1) await assert.rejects(other.send(input), { code: "LEVEL_MISMATCH" });
  const sent = server.log.filter(({ path }) => path === "/infer");
  assert.deepEqual(sent[0].body, sent[1].body);
  assert.equal(new Set(sent.map(({ headers }) => headers["idempotency-key"])).size, 1);
  await assert.rejects(async () => other.send(input.slice(1)), { code: "INVALID_BYTES" });
});

test("nothing is encrypted that no key on the server could compute on", async () => {
  const refusal = (model) => model.encrypt([1, 2, 3, 4]).then(() => undefined, (error) => error.code);
  const model = await open(fakeServer());
  assert.equal(await refusal(model), "EVALUATION_KEYS_REQUIRED");
  assert.equal(await refusal(await openKeys(await model.exportKeys())), "EVALUATION_KEYS_REQUIRED", "exported too early");
  await assert.rejects(model.encrypt([1, 2, 3]), { code: "INPUT_DIMENSION" });
  await model.prepareKeys();
  assert.equal(await refusal(model), undefined);
  await model.deleteKeys();
  assert.equal(await refusal(model), "EVALUATION_KEYS_REQUIRED");

  const models = [{ ...MODEL, evaluation_keys: { relinearization: null, galois: [] } }];
  const needless = fakeServer(({ path }) => (path === "/models" ? answer(200, { api_version: "1.1", models }) : undefined));
  assert.equal(await refusal(await open(needless)), undefined, "a model that needs none");
});

test("a closed model refuses every call", async () => {
  const { model } = await ready(() => assert.fail("nothing must be sent"));
  await model.close();
  await model.close();
  await assert.rejects(model.predict([1, 2, 3, 4]), (error) => error instanceof EncryptedInferenceError && error.code === "CLOSED");
});
