import assert from "node:assert/strict";
import { test } from "node:test";
import { runInNewContext } from "node:vm";

import { connect, openKeys } from "encrypted-inference";
import { MODEL, answer, bodyOf, completed, fakeServer, noise, outputFor, problem } from "./support.mjs";

const open = async (server, options) => (await connect("https://server.test/", { fetch: server.fetch })).model("sum", options);
const puts = (log) => log.filter(({ method }) => method === "PUT").map(({ path }) => path.split("/").pop());

test("keys are made and uploaded once, with progress", async () => {
  const server = fakeServer();
  const model = await open(server);
  const seen = [];
  const report = await model.prepareKeys({ onProgress: (progress) => seen.push(progress) });
  assert.deepEqual(puts(server.log).sort(), ["galois-25", "galois-5"]);
  assert.deepEqual([report.made, report.bytes], [2, 2 * 30804]);
  assert.deepEqual(seen.map(({ done, total, bytes }) => [done, total, bytes]), [[0, 2, 0], [1, 2, 30804], [2, 2, 61608]]);
  assert.equal(model.keyId, "00112233445566778899aabbccddeeff");
  assert.deepEqual(bodyOf(server.log.find(({ method }) => method === "POST")), { model_id: "sum", version: "1.10.0" });

  assert.equal((await model.prepareKeys()).made, 0);
  assert.equal(puts(server.log).length, 2);
});

test("an upload that broke off goes on where it stopped", async () => {
  let broken = true;
  const server = fakeServer(({ path }) => {
    if (broken && path.endsWith("galois-25")) return problem(413, "PAYLOAD_TOO_LARGE");
  });
  const model = await open(server);
  await assert.rejects(model.prepareKeys(), { code: "PAYLOAD_TOO_LARGE", status: 413 });
  broken = false;
  assert.equal((await model.prepareKeys()).made, 1);
  assert.deepEqual(puts(server.log), ["galois-5", "galois-25", "galois-25"]);
});

test("a failure of the network is tried again with the same bytes", async () => {
  let failures = 2;
  const server = fakeServer(({ method }) => {
    if (method === "PUT" && failures-- > 0) throw new TypeError("fetch failed");
  });
  const model = await open(server);
  await model.prepareKeys();
  const bodies = new Map();
  for (const { method, path, body } of server.log) {
    if (method !== "PUT") continue;
    assert.deepEqual(bodies.get(path) ?? body, body);
    bodies.set(path, body);
  }
  assert.equal(server.present.size, 2);
});

test("keys that the server has lost are made again in a new set", async () => {
  const server = fakeServer(({ method, path }) => {
    if (method === "GET" && path === "/keys/gone") return problem(404, "UNKNOWN_KEY");
  });
  const model = await open(server, { keyId: "gone" });
  assert.equal((await model.prepareKeys()).keyId, "00112233445566778899aabbccddeeff");
});

test("a caller can give up", async () => {
  const controller = new AbortController();
  const server = fakeServer(({ method }) => {
    if (method === "PUT") controller.abort();
  });
  const model = await open(server);
  await assert.rejects(model.prepareKeys({ signal: controller.signal }), { code: "ABORTED" });
});

test("a key whose answer was lost is not made in vain", async () => {
  let lost = true;
  const server = fakeServer(({ method, path }) => {
    if (method !== "PUT" || !path.endsWith("galois-5")) return undefined;
    if (!lost) return problem(409, "KEY_CONFLICT");
    // It arrived, and the answer did not.
    lost = false;
    return problem(413, "PAYLOAD_TOO_LARGE");
  });
  const model = await open(server);
  await assert.rejects(model.prepareKeys(), { code: "PAYLOAD_TOO_LARGE" });
  assert.equal((await model.prepareKeys()).made, 1);
});

test("another key under the same name is a conflict", async () => {
  const server = fakeServer(({ method }) => (method === "PUT" ? problem(409, "KEY_CONFLICT") : undefined));
  await assert.rejects((await open(server)).prepareKeys(), { code: "KEY_CONFLICT", message: /rotateKeys/ });
});

test("two calls at once make each key once, and both hear of it", async () => {
  const server = fakeServer();
  const model = await open(server);
  const seen = [[], []];
  const [first, second] = await Promise.all(seen.map((list) => model.prepareKeys({ onProgress: ({ done }) => list.push(done) })));
  assert.equal(first, second);
  assert.deepEqual(seen, [[0, 1, 2], [0, 1, 2]]);
  assert.equal(puts(server.log).length, 2);
});

/** A model whose first upload stands still until `go` is called. */
async function standing() {
  let go;
  let arrived;
  const held = new Promise((resolve) => (go = resolve));
  const begun = new Promise((resolve) => (arrived = resolve));
  const server = fakeServer(async ({ method, signal }) => {
    if (method !== "PUT") return;
    arrived();
    const given = new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    await Promise.race([held, given]);
  });
  return { server, model: await open(server), begun, go };
}

test("of two callers one can give up, whichever came first", async () => {
  for (const leaver of [0, 1]) {
    const { server, model, begun, go } = await standing();
    const controllers = [new AbortController(), new AbortController()];
    const calls = controllers.map(({ signal }) => model.prepareKeys({ signal }));
    await begun;
    controllers[leaver].abort();
    await assert.rejects(calls[leaver], { code: "ABORTED" });
    go();
    assert.equal((await calls[1 - leaver]).made, 2);
    assert.equal(puts(server.log).length, 2);
  }
});

test("a first prediction that gives up leaves the other its keys", async () => {
  const { model, begun, go } = await standing();
  const controller = new AbortController();
  const first = model.predict([1, 2, 3, 4], { signal: controller.signal });
  const second = model.predict([1, 2, 3, 4]);
  await begun;
  controller.abort();
  await assert.rejects(first, { code: "ABORTED" });
  go();
  // This server evaluates nothing.
  await assert.rejects(second, { code: "NOT_FOUND" });
});

test("an upload that everybody has given up ends, and the next caller begins another", async () => {
  const { server, model, begun, go } = await standing();
  const controllers = [new AbortController(), new AbortController()];
  const calls = controllers.map(({ signal }) => assert.rejects(model.prepareKeys({ signal }), { code: "ABORTED" }));
  await begun;
  for (const controller of controllers) controller.abort();
  const third = model.prepareKeys();
  await Promise.all(calls);
  const upload = server.log.find(({ method }) => method === "PUT");
  assert.ok(upload.signal.aborted);
  go();
  assert.ok((await third).made > 0);
  assert.equal(server.present.size, 2);
});

test("a caller whose progress fails ends its own wait alone", async () => {
  const model = await open(fakeServer());
  const fails = () => {
    throw new RangeError("not shown");
  };
  const [wrong, right] = [model.prepareKeys({ onProgress: fails }), model.prepareKeys()];
  await assert.rejects(wrong, RangeError);
  assert.equal((await right).made, 2);
});

test("a set that is opened again after a lost answer has the same name", async () => {
  let lost = 1;
  const server = fakeServer(({ method, path }) => {
    if (method === "POST" && path === "/keys" && lost-- > 0) throw new TypeError("fetch failed");
  });
  await (await open(server)).prepareKeys();
  const names = server.log.filter(({ method }) => method === "POST").map(({ headers }) => headers["idempotency-key"]);
  assert.equal(names.length, 2);
  assert.equal(new Set(names).size, 1);
});

test("keys can be exported and used again", async () => {
  const server = fakeServer();
  const first = await open(server);
  await first.prepareKeys();
  const keys = await first.exportKeys();
  const second = await open(server, { keys });
  assert.equal(second.keyId, first.keyId);
  assert.deepEqual(await second.exportKeys(), keys);
  assert.equal((await second.prepareKeys()).made, 0);
});

test("keys that are none, or of another model, are refused", async () => {
  const server = fakeServer();
  const keys = await (await open(server)).exportKeys();
  for (const wrong of [keys.slice(1), keys.slice(0, -1), new Uint8Array(), new TextEncoder().encode("secret")]) {
    await assert.rejects(open(server, { keys: wrong }), { code: "INVALID_KEYS" });
    await assert.rejects(openKeys(wrong), { code: "INVALID_KEYS" });
  }
  await assert.rejects(open(server, { keys, version: "1.2.0" }), { code: "KEYS_OUTDATED", message: /sum 1.10.0.*sum 1.2.0/ });
});

test("keys of another model are refused", async () => {
  const keys = await (await open(fakeServer())).exportKeys();
  const models = [{ ...MODEL, model_id: "product" }];
  const server = fakeServer(({ path }) => (path === "/models" ? answer(200, { api_version: "1.1", models }) : undefined));
  const api = await connect("https://server.test/", { fetch: server.fetch });
  await assert.rejects(api.model("product", { keys }), { code: "KEYS_MISMATCH", advice: /keys of this model/ });
});

test("a store keeps keys between visits", async () => {
  const entries = new Map();
  const store = {
    load: async (name) => entries.get(name)?.slice(),
    save: async (name, bytes) => void entries.set(name, bytes.slice()),
    delete: async (name) => void entries.delete(name),
  };
  const server = fakeServer();
  const first = await open(server, { keep: store });
  await first.prepareKeys();
  assert.deepEqual([...entries.keys()].map((name) => name.split(" ").slice(0, 3)), [["https://server.test", "sum", "1.10.0"]]);
  await first.close();

  const second = await open(server, { keep: store });
  assert.equal((await second.prepareKeys()).made, 0);
  await second.rotateKeys();
  await second.forget();
  assert.equal(entries.size, 0);
  await assert.rejects(second.exportKeys(), { code: "CLOSED" });
});

test("rotation makes a new secret and deletes the old keys on the server", async () => {
  const server = fakeServer();
  const model = await open(server);
  await model.prepareKeys();
  const before = await model.exportKeys();
  server.present.clear();
  assert.equal((await model.rotateKeys()).made, 2);
  assert.notDeepEqual(await model.exportKeys(), before);
  assert.equal(server.log.filter(({ method }) => method === "DELETE").length, 1);
});

test("a rotation that fails leaves the old keys in use", async () => {
  let broken = false;
  const server = fakeServer(({ method }) => (broken && method === "PUT" ? problem(413, "PAYLOAD_TOO_LARGE") : undefined));
  const model = await open(server);
  await model.prepareKeys();
  const before = await model.exportKeys();
  server.present.clear();
  broken = true;
  await assert.rejects(model.rotateKeys(), { code: "PAYLOAD_TOO_LARGE" });
  assert.deepEqual(await model.exportKeys(), before);
});

/** Something that a test lets happen. */
function gate() {
  let open;
  const opened = new Promise((resolve) => (open = resolve));
  return { open, opened };
}

/** A model whose first prediction is held until `answer` opens; `begun` opens when it has arrived. */
async function predicting(first) {
  const [arrived, released] = [gate(), gate()];
  let asked = 0;
  const server = fakeServer(async ({ path }) => {
    if (path !== "/infer") return undefined;
    asked += 1;
    if (asked > 1) return completed(noise());
    arrived.open();
    await released.opened;
    return first();
  });
  const model = await open(server);
  await model.prepareKeys();
  const old = await openKeys(await model.exportKeys());
  const prediction = model.predict([1, 2, 3, 4]);
  await arrived.opened;
  server.present.clear();
  const rotation = model.rotateKeys();
  await until(() => server.present.size === 2);
  return { server, model, old, prediction, rotation, answerNow: released.open };
}

const soon = () => new Promise((resolve) => setTimeout(resolve, 5));
const until = async (holds) => {
  for (let waited = 0; !holds(); waited += 1) {
    assert.ok(waited < 1000, String(holds));
    await soon();
  }
};
/** What a result says to the key of a model. */
const read = async (model) => (await model.decrypt(await outputFor(model, noise()))).values;

test("a prediction ends with the key that it began with, though keys are rotated meanwhile", async () => {
  const { server, model, old, prediction, rotation, answerNow } = await predicting(() => completed(noise()));
  // What begins now has the new key, and waits for nothing.
  assert.notDeepEqual(await read(model), await read(old));
  assert.deepEqual((await model.predict([1, 2, 3, 4])).values, await read(model));
  assert.ok(server.log.every(({ method }) => method !== "DELETE"), "the old keys are needed");
  answerNow();
  assert.deepEqual((await prediction).values, await read(old));
  await rotation;
  assert.equal(server.log.filter(({ method }) => method === "DELETE").length, 1);
  assert.equal(server.log.filter(({ path }) => path === "/infer").length, 2);
});

test("what the server has lost the keys for is encrypted again, with the key of then", async () => {
  const { server, model, prediction, rotation, answerNow } = await predicting(() => problem(404, "UNKNOWN_KEY"));
  answerNow();
  assert.deepEqual((await prediction).values, await read(model));
  await rotation;
  const [first, second] = server.log.filter(({ path }) => path === "/infer").map(bodyOf);
  assert.notDeepEqual(first.inputs[0].payload, second.inputs[0].payload);
});

test("an answer for another secret key is refused", async () => {
  const server = fakeServer(({ path }) => (path === "/infer" ? completed(noise()) : undefined));
  const api = await connect("https://server.test", { fetch: server.fetch });
  const model = await api.model("sum");
  await model.prepareKeys();
  const old = await openKeys(await model.exportKeys());
  const output = await api.send(await model.encrypt([1, 2, 3, 4]));
  const { values } = await model.decrypt(output);
  await model.rotateKeys();
  await assert.rejects(model.decrypt(output), { code: "KEYS_MISMATCH", advice: /openKeys/ });
  assert.deepEqual((await old.decrypt(output.output)).values, values);
});

test("bytes may come from another realm, as those of a frame or of a test's sandbox do", async () => {
  const foreign = (bytes) => runInNewContext("Uint8Array.from(numbers)", { numbers: [...bytes] });
  const server = fakeServer(({ path }) => (path === "/infer" ? completed(noise()) : undefined));
  const api = await connect("https://server.test", { fetch: server.fetch });
  const model = await api.model("sum");
  await model.prepareKeys();
  const { input } = await model.encrypt([1, 2, 3, 4]);
  assert.ok(!(foreign(input) instanceof Uint8Array));
  const { output } = await api.send(foreign(input));
  const again = await api.model("sum", { keys: foreign(await model.exportKeys()) });
  assert.deepEqual(await again.decrypt(foreign(output)), await model.decrypt(output));
});

test("rotations run one after the other, and a model closed meanwhile stays closed", async () => {
  const server = fakeServer();
  const model = await open(server);
  await model.prepareKeys();
  await Promise.all([model.rotateKeys(), model.rotateKeys()]);
  assert.equal(server.log.filter(({ method }) => method === "DELETE").length, 2);
  const rotating = assert.rejects(model.rotateKeys(), { code: "CLOSED" });
  await model.close();
  await rotating;
  await assert.rejects(model.exportKeys(), { code: "CLOSED" });
});

test("a rotation lets an upload of the old keys end, and deletes them then", async () => {
  const [arrived, released] = [gate(), gate()];
  let isFirst = true;
  const server = fakeServer(async ({ method }) => {
    if (method !== "PUT" || !isFirst) return;
    isFirst = false;
    arrived.open();
    await released.opened;
  });
  const model = await open(server);
  const preparing = model.prepareKeys();
  await arrived.opened;
  const rotating = model.rotateKeys();
  await until(() => puts(server.log).length >= 3);
  for (let i = 0; i < 5; i += 1) await soon();
  assert.ok(server.log.every(({ method }) => method !== "DELETE"));
  released.open();
  await Promise.all([preparing, rotating]);
  assert.equal(server.log.filter(({ method }) => method === "DELETE").length, 1);
});
