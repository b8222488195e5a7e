// What docs/api.md demands of clients, against a server that misbehaves. Titles name the sentences.

import assert from "node:assert/strict";
import { test } from "node:test";

import { decode, encode } from "cborg";

import { EncryptedInferenceError, connect } from "../dist/node.js";
import { JOB, MODEL, PARAMETERS, answer, bodyOf, completed, failed, fakeServer, noise, problem, result } from "./support.mjs";

const INPUT = [1.5, -2.25, 3.125, 4.0625];
const open = async (server, options) => {
  const api = await connect("https://server.test", { fetch: server.fetch, ...options });
  return api.model("sum");
};

/** A server that answers `/infer` and `/jobs` as told. */
const scripted = (respond) =>
  fakeServer((request, log) => (request.path === "/infer" || request.path.startsWith("/jobs/") ? respond(request, log) : undefined));

/** Demands an error of the package, never one of the language. */
async function rejects(promise, code) {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof EncryptedInferenceError, String(error.stack));
    assert.equal(error.code, code);
    return true;
  });
}

test("a right answer is read (the script's own check)", async () => {
  const model = await open(scripted(() => completed(result())));
  assert.deepEqual([...(await model.predict(INPUT)).values], [0]);
});

test("members of answers that it does not know are ignored (9.2.1)", async () => {
  const more = { new_in_1_2: { nested: [1] } };
  const server = scripted(() => answer(200, { job_id: JOB, status: "completed", ...more, result: { payload: result(), ...more } }));
  const plain = server.fetch;
  server.fetch = async (url, init) => {
    const path = url.replace("https://server.test", "");
    if (path === "/models") return answer(200, { api_version: "1.7", models: [{ ...MODEL, ...more, version: "1.10.0" }], ...more });
    if (path === "/keys" && init.method === "GET") return answer(200, { parameter_sets: [{ ...PARAMETERS, ...more }], ...more });
    return plain(url, init);
  };
  assert.deepEqual([...(await (await open(server)).predict(INPUT)).values], [0]);
});

test("unknown codes are treated by their status and retryable (9.2.2)", async () => {
  let answers = [problem(503, "NEW_IN_1_2", true, { "retry-after": "0" }), completed(result())];
  const server = scripted(() => answers.shift());
  const model = await open(server);
  await model.predict(INPUT);
  answers = [problem(409, "ALSO_NEW", false), completed(result())];
  await rejects(model.predict(INPUT), "ALSO_NEW");
  assert.equal(answers.length, 1, "not asked again");
});

test("parameters that do not hash to their name are refused (11.1.1)", async () => {
  for (const change of [{ scale: 2 ** 27 }, { params_id: "0".repeat(64) }, { levels: [[1073668097]] }, { digit_primes: 2 }]) {
    const forged = { ...PARAMETERS, ...change };
    const model = { ...MODEL, encryption_parameters: { params_id: forged.params_id } };
    const server = fakeServer(({ path, method }) => {
      if (path === "/models") return answer(200, { api_version: "1.1", models: [model] });
      if (path === "/keys" && method === "GET") return answer(200, { parameter_sets: [forged] });
    });
    await assert.rejects(open(server), (error) => {
      assert.ok(["PARAMS_ID_MISMATCH", "UNACCEPTABLE_PARAMETERS", "INVALID_MODEL"].includes(error.code), error.code);
      return true;
    });
    assert.ok(server.log.every(({ method }) => method === "GET"), "nothing was sent");
  }
});

test("parameters outside of the table are refused (11.1.2)", async () => {
  const forged = { ...PARAMETERS, log_degree: 11, poly_modulus_degree: 2048 };
  const server = fakeServer(({ path, method }) => (path === "/keys" && method === "GET" ? answer(200, { parameter_sets: [forged] }) : undefined));
  await rejects(open(server), "UNACCEPTABLE_PARAMETERS");
});

test("answers that do not match their schema, or are cut off, are refused (11.1.3)", async () => {
  const whole = encode({ job_id: JOB, status: "completed", result: { payload: result() } });
  const cbor = (body) => new Response(body, { status: 200, headers: { "content-type": "application/cbor" } });
  for (const [name, code, respond] of [
    ["cut off", "UNEXPECTED_ANSWER", () => cbor(whole.slice(0, whole.length / 2))],
    ["with something after the end", "UNEXPECTED_ANSWER", () => cbor(Buffer.concat([whole, Buffer.from([0])]))],
    ["a page", "UNEXPECTED_ANSWER", () => new Response("<html>", { status: 200, headers: { "content-type": "text/html" } })],
    ["empty", "INVALID_ANSWER", () => cbor(new Uint8Array())],
    ["no object", "INVALID_ANSWER", () => answer(200, 7)],
    ["null", "INVALID_ANSWER", () => answer(200, null)],
    ["no job_id", "INVALID_ANSWER", () => answer(200, { status: "completed", result: { payload: result() } })],
    ["a job_id that is no text", "INVALID_ANSWER", () => answer(202, { job_id: 7, status: "accepted" })],
    ["a payload of text", "INVALID_ANSWER", () => completed("AAAA")],
    ["a result that is no object", "INVALID_ANSWER", () => answer(200, { job_id: JOB, status: "completed", result: 7 })],
  ]) {
    const model = await open(scripted(respond));
    await model.prepareKeys();
    await rejects(model.predict(INPUT), code).catch((error) => assert.fail(`${name}: ${error.message}`));
  }
  for (const keySet of [undefined, 7, {}, { key_id: "x" }, { key_id: "x", keys: 7, missing: [] }, { key_id: 7, keys: [], missing: [] }]) {
    const server = fakeServer(({ path, method }) => (path === "/keys" && method === "POST" ? answer(201, keySet) : undefined));
    await rejects((await open(server)).prepareKeys(), "INVALID_ANSWER");
  }
});

test("a job or result of another request is refused (11.1.4)", async () => {
  const accepted = () => answer(202, { job_id: JOB, status: "accepted" });
  const other = "00000000000000000000000000000000";
  for (const late of [
    () => completed(result(), { job_id: other }),
    () => completed(result(), { model_id: "another" }),
    () => completed(result(), { version: "1.2.0" }),
  ]) {
    const model = await open(scripted(({ path }) => (path === "/infer" ? accepted() : late())));
    await rejects(model.predict(INPUT), "INVALID_ANSWER");
  }
  const model = await open(scripted(() => completed(result(), { version: "9.9.9" })));
  await rejects(model.predict(INPUT), "INVALID_ANSWER");
});

test("results that do not decode exactly, or to another level or count, are refused (11.1.5)", async () => {
  for (const [wrong, code] of [
    [{ cut: 1 }, "INVALID_BYTES"],
    [{ fill: 255 }, "INVALID_BYTES"],
    [{ params_id: "0".repeat(64) }, "INVALID_BYTES"],
    [{ count: 2 }, "INVALID_RESULT"],
  ]) {
    const model = await open(scripted(() => completed(result(wrong))));
    await rejects(model.predict(INPUT), code);
  }
});

test("what was refused for good is not sent again (11.2.1)", async () => {
  for (const [status, code] of [[400, "INVALID_ENVELOPE"], [409, "LEVEL_MISMATCH"], [404, "UNKNOWN_MODEL"], [401, "UNAUTHORIZED"], [413, "PAYLOAD_TOO_LARGE"]]) {
    const server = scripted(() => problem(status, code));
    const model = await open(server);
    await rejects(model.predict(INPUT), code);
    assert.equal(server.log.filter(({ path }) => path === "/infer").length, 1, code);
  }
});

test("a busy server is given its time, and given up in the end (11.2.2)", async () => {
  let busy = 1;
  const server = scripted(() => (busy-- > 0 ? problem(503, "QUEUE_FULL", true, { "retry-after": "1" }) : completed(result())));
  const model = await open(server);
  await model.prepareKeys();
  const begun = performance.now();
  await model.predict(INPUT);
  assert.ok(performance.now() - begun >= 990, `came back after ${performance.now() - begun} ms`);

  const never = scripted(() => problem(503, "QUEUE_FULL", true, { "retry-after": "0" }));
  const patient = await open(never, { retries: 3 });
  await rejects(patient.predict(INPUT), "QUEUE_FULL");
  assert.equal(never.log.filter(({ path }) => path === "/infer").length, 4);
});

test("a server is left alone as long as it says, however long that is (11.2.2)", async (t) => {
  const server = scripted((_, log) => (log.filter(({ path }) => path === "/infer").length === 1 ? problem(503, "QUEUE_FULL", true, { "retry-after": "45" }) : completed(result())));
  const model = await open(server);
  await model.prepareKeys();
  const asked = () => server.log.filter(({ path }) => path === "/infer").length;
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const predicting = model.predict(INPUT);
  while (asked() < 1) await new Promise(setImmediate);
  for (let i = 0; i < 20; i += 1) await new Promise(setImmediate);
  t.mock.timers.tick(44_999);
  for (let i = 0; i < 20; i += 1) await new Promise(setImmediate);
  assert.equal(asked(), 1);
  t.mock.timers.tick(1);
  await predicting;
  assert.equal(asked(), 2);
});

test("a server that asks for more than the caller has is given up at once, and the caller told for how long (11.2.2)", async () => {
  const server = scripted(() => problem(429, "RATE_LIMITED", true, { "retry-after": "3600" }));
  const model = await open(server);
  await assert.rejects(model.predict(INPUT), { code: "RATE_LIMITED", retryable: true, retryAfter: 3_600_000 });
  assert.equal(server.log.filter(({ path }) => path === "/infer").length, 1);
  const patient = await open(scripted(() => problem(429, "RATE_LIMITED", true, { "retry-after": "1" })), { maxRetryAfter: 999 });
  await assert.rejects(patient.predict(INPUT), { code: "RATE_LIMITED", retryAfter: 1000 });
});

test("a job that never ends is given up, and looked at less and less often (11.2.7)", async () => {
  const looks = [];
  const server = scripted(({ method, path }) => {
    if (path === "/infer") return answer(202, { job_id: JOB, status: "accepted" });
    if (method === "DELETE") return answer(204);
    looks.push(performance.now());
    return answer(200, { job_id: JOB, status: "running" });
  });
  const model = await open(server);
  await model.prepareKeys();
  await assert.rejects(model.predict(INPUT, { deadline: 600 }), { code: "DEADLINE_EXCEEDED", retryable: true });
  assert.equal(bodyOf(server.log.find(({ path }) => path === "/infer")).deadline_seconds, 1);
  const gaps = looks.slice(1).map((time, i) => time - looks[i]);
  assert.ok(gaps.length >= 2);
  gaps.forEach((gap, i) => assert.ok(gap > 70 * 1.5 ** i, `${gaps}`));
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual([server.log.at(-1).method, server.log.at(-1).path], ["DELETE", `/jobs/${JOB}`]);
  await rejects(model.predict(INPUT, { deadline: 0 }), "DEADLINE_EXCEEDED");
});

test("a server that does not answer is given up (11.2.2)", async () => {
  const silent = (request) => new Promise((_, reject) => request.signal.addEventListener("abort", () => reject(request.signal.reason)));
  const model = await open(scripted(silent), { retries: 0, timeout: 50 });
  await rejects(model.predict(INPUT), "NETWORK");
});

test("a POST that is repeated keeps its Idempotency-Key, and others have their own (11.2.3)", async () => {
  let failures = 2;
  const server = fakeServer(({ method, path }) => {
    if (method === "POST" && failures-- > 0) throw new TypeError("fetch failed");
    if (path === "/infer") return completed(result());
  });
  const model = await open(server);
  await model.predict(INPUT);
  await model.predict(INPUT);
  const keys = (path) => server.log.filter((request) => request.method === "POST" && request.path === path).map(({ headers }) => headers["idempotency-key"]);
  assert.equal(keys("/keys").length, 3);
  assert.equal(new Set(keys("/keys")).size, 1);
  assert.equal(new Set(keys("/infer")).size, 2);
  for (const key of [...keys("/keys"), ...keys("/infer")]) assert.match(key, /^[!-~]{1,255}$/);
});

test("a job that failed is asked for again under a new Idempotency-Key (11.2.6)", async () => {
  for (const first of [() => failed("EVALUATION_FAILED"), () => problem(404, "UNKNOWN_JOB")]) {
    let name;
    const names = [];
    const server = scripted(({ headers }) => {
      const key = headers["idempotency-key"];
      names.push(key);
      // The first job failed, or was deleted, and stays so.
      return key === (name ??= key) ? first() : completed(noise());
    });
    const api = await connect("https://server.test", { fetch: server.fetch });
    const model = await api.model("sum");
    await model.prepareKeys();
    const input = await model.encrypt(INPUT);
    // The bytes carry the name of the job that failed; each call recovers from it.
    for (let i = 0; i < 2; i += 1) assert.equal((await model.decrypt(await api.send(input))).values.length, 1);
    assert.equal(names.length, 4);
    assert.equal(new Set(names).size, 3);
  }
  const server = scripted(() => failed("EVALUATION_FAILED", { retryable: false }));
  const api = await connect("https://server.test", { fetch: server.fetch });
  const model = await api.model("sum");
  await model.prepareKeys();
  const input = await model.encrypt(INPUT);
  await assert.rejects(api.send(input), { code: "EVALUATION_FAILED", jobId: JOB });
  assert.equal(server.log.filter(({ path }) => path === "/infer").length, 1);
});

test("only missing keys are uploaded when it goes on (11.2.4)", async () => {
  let broken = true;
  const server = fakeServer(({ path, method }) => (broken && method === "PUT" && path.endsWith("galois-25") ? problem(413, "PAYLOAD_TOO_LARGE") : undefined));
  const model = await open(server);
  await rejects(model.prepareKeys(), "PAYLOAD_TOO_LARGE");
  broken = false;
  const before = server.log.length;
  await model.prepareKeys();
  const puts = server.log.slice(before).filter(({ method }) => method === "PUT");
  assert.deepEqual(puts.map(({ path }) => path.split("/").pop()), ["galois-25"]);
});

test("a model that has changed or gone is reported (11.2.5)", async () => {
  for (const [status, code] of [[404, "UNKNOWN_MODEL"], [409, "PARAMETER_MISMATCH"], [409, "KEY_MODEL_MISMATCH"]]) {
    const server = scripted(() => problem(status, code));
    const model = await open(server);
    await rejects(model.predict(INPUT), code);
    assert.equal(server.log.filter(({ path }) => path === "/infer").length, 1);
  }
});

/** Everything that was sent, as bytes. */
const sentBytes = (log) => Buffer.concat(log.map(({ path, headers, body }) => Buffer.concat([Buffer.from(path + JSON.stringify(headers)), Buffer.from(body ?? [])])));

test("neither input nor output nor secret key is sent (11.3.1)", async () => {
  // Values of many digits: a short text would stand in a ciphertext by chance.
  const server = scripted(() => completed(noise()));
  const model = await open(server);
  const { values } = await model.predict(INPUT);
  const sent = sentBytes(server.log);
  const secret = Buffer.from(decode(await model.exportKeys()).secret).subarray(52, 84);
  assert.equal(sent.indexOf(secret), -1, "the secret key's seed");
  for (const numbers of [Float64Array.from(INPUT), Float32Array.from(INPUT)]) {
    for (const number of numbers) assert.equal(sent.indexOf(Buffer.from(numbers.constructor.of(number).buffer)), -1);
  }
  assert.equal(sent.indexOf(JSON.stringify([...values])), -1);
  const body = bodyOf(server.log.find(({ path }) => path === "/infer"));
  assert.deepEqual(Object.keys(body).sort(), ["inputs", "key_id", "model_id", "version"]);
});

test("what is sent does not depend on what was decrypted, or whether it was (11.3.2)", async () => {
  const [zero, wrong] = [() => result(), () => result({ cut: 7 })];
  const calls = {
    predict: async (model) => {
      for (let i = 0; i < 2; i += 1) await model.predict(INPUT).catch(() => undefined);
    },
    predictBatch: (model) => model.predictBatch(new Array(7).fill(INPUT)).catch(() => undefined),
    predictEach: async (model) => {
      const loop = async () => {
        for await (const _ of model.predictEach(new Array(7).fill(INPUT)));
      };
      await loop().catch(() => undefined);
    },
  };
  for (const [name, call] of Object.entries(calls)) {
    const shapes = [];
    // Zero, noise of the whole range, bytes that do not decode: always, at first, in between.
    for (const payloads of [[zero], [noise], [wrong], [wrong, zero], [zero, zero, wrong, noise]]) {
      let answered = 0;
      const server = scripted(({ path }, log) => {
        const job_id = `${log.length}`.padStart(32, "0");
        if (path === "/infer") return answer(202, { job_id, status: "accepted" });
        return completed((payloads[answered++] ?? payloads.at(-1))(), { job_id: path.split("/").pop() });
      });
      const model = await open(server);
      await call(model);
      await new Promise((resolve) => setTimeout(resolve, 20));
      const kinds = server.log.map(({ method, path, headers, body }) => `${method} ${path.replace(/jobs.*/, "jobs")} ${Object.keys(headers).sort()} ${body?.length ?? 0}`);
      // Two requests at a time take turns as they like.
      shapes.push(name === "predict" ? kinds : kinds.sort());
    }
    assert.equal(shapes[0].filter((kind) => kind.startsWith("POST /infer")).length, name === "predict" ? 2 : 7);
    for (const shape of shapes.slice(1)) assert.deepEqual(shape, shapes[0], name);
  }
});

/** A model with a scale that hardly anything fits, and that only by its first value. */
const NARROW = { ...MODEL, input: { ...MODEL.input, scaling: [2 ** 40, 2 ** -64, 2 ** -64, 2 ** -64] } };

test("what is sent does not depend on whether a value fits the scale that the server chose", async () => {
  const shapes = [];
  for (const value of [1e-9, 1e9, -1e300]) {
    const server = fakeServer(({ path, method }) => {
      if (path === "/models" && method === "GET") return answer(200, { api_version: "1.1", models: [NARROW] });
      return path === "/infer" ? completed(result(), { version: MODEL.version }) : undefined;
    });
    const outcome = await (await open(server)).predict([value, 1, 1, 1]).then(() => "answered", ({ code }) => code);
    assert.equal(outcome, value === 1e-9 ? "answered" : "INPUT_VALUE");
    shapes.push(server.log.map(({ method, path, body }) => `${method} ${path} ${body?.length ?? 0}`));
  }
  assert.equal(shapes[0].filter((shape) => shape.startsWith("POST /infer")).length, 1);
  for (const shape of shapes.slice(1)) assert.deepEqual(shape, shapes[0]);
});

test("an input for later tells the caller whether its values fit, and nobody else", async () => {
  const server = fakeServer(({ path }) => {
    if (path === "/models") return answer(200, { api_version: "1.1", models: [NARROW] });
    return path === "/infer" ? completed(result(), { version: MODEL.version }) : undefined;
  });
  const api = await connect("https://server.test", { fetch: server.fetch });
  const model = await api.model("sum");
  await model.prepareKeys();
  const inputs = [await model.encrypt([1e-9, 1, 1, 1]), ...(await model.encryptBatch([[1e-9, 1, 1, 1], [1e9, 1, 1, 1]]))];
  assert.deepEqual(inputs.map(({ fits }) => fits), [true, true, false]);
  assert.equal(new Set(inputs.map(({ input }) => input.length)).size, 1);
  for (const input of inputs) await model.decrypt(await api.send(input));
  const bodies = server.log.filter(({ path }) => path === "/infer").map(bodyOf);
  assert.deepEqual(bodies.map((body) => Object.keys(body).sort()), new Array(3).fill(["inputs", "key_id", "model_id", "version"]));
});
