// What docs/api.md demands of clients, against a server that misbehaves. Titles name the sentences.

import assert from "node:assert/strict";
import { test } from "node:test";

import { decode, encode } from "cborg";

import { EncryptedInferenceError, connect } from "../dist/node.js";
import { MODEL, PARAMETERS, answer, bodyOf, fakeServer, problem } from "./support.mjs";

const INPUT = [1.5, -2.25, 3.125, 4.0625];
const JOB = "9b2e61e27c3d4f0aa51a4bde32a1c6f0";

const open = async (server, options) => {
  const api = await connect("https://server.test", { fetch: server.fetch, ...options });
  return api.model("sum");
};

/** A result in the wire format: coefficients all equal, so that every slot has the real part of the first one. */
function result({ level = 0, count = 1, fill = 0, params_id = PARAMETERS.params_id, cut = 0 } = {}) {
  const bytes = new Uint8Array(52 + (count * 2 * 4096 * 30) / 8 - cut).fill(0);
  bytes.set([0x43, 0x4b, 0x4b, 0x53, 1, 8, level, 0]);
  const view = new DataView(bytes.buffer);
  view.setUint32(8, count, true);
  view.setFloat64(12, PARAMETERS.scale, true);
  bytes.set(Buffer.from(params_id, "hex"), 20);
  bytes.fill(fill, 52);
  return bytes;
}

/** A finished job. */
const completed = (payload, { job_id = JOB, ...fields } = {}) =>
  answer(200, {
    job_id,
    status: "completed",
    result: { model_id: "sum", version: "1.10.0", encoding: "bytes", payload, diagnostics: {}, ...fields },
  });

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
  for (const [name, respond] of Object.entries({
    "cut off": () => cbor(whole.slice(0, whole.length / 2)),
    "with something after the end": () => cbor(Buffer.concat([whole, Buffer.from([0])])),
    empty: () => cbor(new Uint8Array()),
    "no object": () => answer(200, 7),
    null: () => answer(200, null),
    "no job_id": () => answer(200, { status: "completed", result: { payload: result() } }),
    "a job_id that is no text": () => answer(202, { job_id: 7, status: "accepted" }),
    "a payload of text": () => completed("AAAA"),
    "a result that is no object": () => answer(200, { job_id: JOB, status: "completed", result: 7 }),
    "a page": () => new Response("<html>", { status: 200, headers: { "content-type": "text/html" } }),
  })) {
    const model = await open(scripted(respond));
    await model.prepareKeys();
    await rejects(model.predict(INPUT), "UNEXPECTED_ANSWER").catch((error) => assert.fail(`${name}: ${error.message}`));
  }
  for (const keySet of [undefined, 7, {}, { key_id: "x" }, { key_id: "x", keys: 7, missing: [] }, { key_id: 7, keys: [], missing: [] }]) {
    const server = fakeServer(({ path, method }) => (path === "/keys" && method === "POST" ? answer(201, keySet) : undefined));
    await rejects((await open(server)).prepareKeys(), "UNEXPECTED_ANSWER");
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
    await rejects(model.predict(INPUT), "UNEXPECTED_ANSWER");
  }
  const model = await open(scripted(() => completed(result(), { version: "9.9.9" })));
  await rejects(model.predict(INPUT), "UNEXPECTED_ANSWER");
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
  const server = scripted(() => completed(result()));
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
  const shapes = [];
  // Zero, noise of the whole range, bytes that do not decode.
  for (const payload of [result(), result({ fill: 0x15 }), result({ cut: 7 })]) {
    const server = scripted(() => completed(payload));
    const model = await open(server);
    for (let i = 0; i < 2; i += 1) await model.predict(INPUT).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 20));
    shapes.push(server.log.map(({ method, path, headers, body }) => [method, path, Object.keys(headers).sort(), body?.length ?? 0]));
  }
  assert.deepEqual(shapes[1], shapes[0]);
  assert.deepEqual(shapes[2], shapes[0]);
});
