import assert from "node:assert/strict";
import { test } from "node:test";

import { connect } from "../dist/index.js";
import { bodyOf, fakeServer, problem } from "./support.mjs";

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

test("a secret can be kept and used again", async () => {
  const server = fakeServer();
  const first = await open(server);
  const secret = await first.exportSecret();
  const second = await open(server, { secret, keyId: "00112233445566778899aabbccddeeff" });
  assert.deepEqual(await second.exportSecret(), secret);
  await assert.rejects(open(server, { secret: secret.slice(1) }), { code: "INVALID_BYTES" });
});
