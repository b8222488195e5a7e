// One key in a store that two tabs or programs share, and what is left of it when a server does not answer.

import assert from "node:assert/strict";
import { test } from "node:test";

import { connect } from "encrypted-inference";
import { decode } from "cborg";
import { completed, fakeServer, noise, problem } from "./support.mjs";

const INPUT = [1, 2, 3, 4];

/** A store in memory, which counts its writes. */
function memory() {
  const entries = new Map();
  const store = {
    entries,
    writes: 0,
    load: async (name) => entries.get(name)?.slice(),
    save: async (name, bytes) => {
      store.writes += 1;
      entries.set(name, bytes.slice());
    },
    delete: async (name) => void entries.delete(name),
    /** The name of the secret key that is kept. */
    kept: () => [...entries.values()].map((bytes) => decode(bytes).secret_id)[0],
  };
  return store;
}

/** A server that may have lost the keys, which two tabs with one store use. */
async function tabs({ lost = () => false, intercept = () => undefined } = {}) {
  const server = fakeServer(async (request) => {
    if (request.path === "/infer") return lost() ? problem(404, "UNKNOWN_KEY") : completed(noise());
    return intercept(request);
  });
  const store = memory();
  const open = async () => (await connect("https://server.test", { fetch: server.fetch, retries: 0 })).model("sum", { keep: store });
  const first = await open();
  await first.prepareKeys();
  const second = await open();
  await second.predict(INPUT);
  const uploads = () => server.log.filter(({ method, path }) => method === "PUT" || (method === "POST" && path === "/keys")).length;
  return { server, store, open, first, second, uploads };
}

test("keys are kept from when they are made, and both tabs have the same", async () => {
  const { store, first, second, open } = await tabs();
  const secret = async (model) => decode(await model.exportKeys()).secret;
  assert.deepEqual(await secret(second), await secret(first));
  await first.forget();
  const early = await open();
  assert.deepEqual(await secret(await open()), await secret(early), "before any evaluation key is made");
  assert.equal(store.entries.size, 1);
});

test("a rotation is not undone by another tab, whatever that does", async () => {
  let isLost = false;
  const { store, first, second, server, uploads, open } = await tabs({ lost: () => isLost });
  await first.rotateKeys();
  const rotated = store.kept();
  isLost = true;
  const [before, writes] = [uploads(), store.writes];
  for (const call of [() => second.predict(INPUT), () => second.predictBatch([INPUT]), () => second.prepareKeys()]) {
    await assert.rejects(call(), { code: "KEYS_MISMATCH", message: /kept meanwhile/, advice: /api\.model/ });
  }
  assert.equal(uploads(), before, "no evaluation keys of the old secret key");
  await assert.rejects(second.rotateKeys(), { code: "KEYS_MISMATCH" });
  assert.equal(server.log.at(-1).method, "DELETE", "what was uploaded in vain");
  await assert.rejects(second.deleteKeys(), { code: "KEYS_MISMATCH" });
  await second.forget();
  assert.deepEqual([store.kept(), store.writes], [rotated, writes]);
  isLost = false;
  await (await open()).predict(INPUT);
});

test("what was forgotten stays so, though another tab is still open", async () => {
  let isLost = false;
  const { store, first, second, uploads } = await tabs({ lost: () => isLost });
  await first.forget();
  isLost = true;
  const before = uploads();
  await assert.rejects(second.predict(INPUT), { code: "KEYS_MISMATCH", message: /deleted elsewhere/ });
  assert.equal(uploads(), before);
  await assert.rejects(second.rotateKeys(), { code: "KEYS_MISMATCH" });
  assert.equal(store.entries.size, 0);
});

test("a change waits for that of another tab, where the platform has locks", async (t) => {
  const held = [];
  let last = Promise.resolve();
  const locks = {
    request: (name, work) => {
      held.push(name);
      last = last.catch(() => undefined).then(work);
      return last;
    },
  };
  const was = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  Object.defineProperty(globalThis, "navigator", { value: { locks }, configurable: true });
  t.after(() => (was ? Object.defineProperty(globalThis, "navigator", was) : delete globalThis.navigator));
  const server = fakeServer();
  const store = memory();
  const slow = { ...store, load: async (name) => (await new Promise((resolve) => setTimeout(resolve, 10)), store.load(name)) };
  const api = await connect("https://server.test", { fetch: server.fetch });
  const [first, second] = await Promise.all([api.model("sum", { keep: slow }), api.model("sum", { keep: slow })]);
  assert.deepEqual(decode(await second.exportKeys()).secret, decode(await first.exportKeys()).secret);
  assert.match(held[0], /^encrypted-inference https:\/\/server\.test sum 1\.10\.0 /);
  await first.prepareKeys();
  await first.forget();
  assert.equal(held.length, 4);
});

test("keys that a caller brings take the place of what is kept", async () => {
  const { store, first, open } = await tabs();
  const brought = await first.exportKeys();
  await first.rotateKeys();
  const server = fakeServer();
  const api = await connect("https://server.test", { fetch: server.fetch });
  await (await api.model("sum", { keep: store, keys: brought })).close();
  assert.equal(store.kept(), decode(brought).secret_id);
  assert.equal(decode(await (await open()).exportKeys()).secret_id, decode(brought).secret_id);
});

test("the key is forgotten here although the server does not answer, and the deletion can be tried again", async () => {
  let isAway = true;
  const { server, store, first } = await tabs({
    intercept: ({ method }) => {
      if (method === "DELETE" && isAway) throw new TypeError("fetch failed");
    },
  });
  await assert.rejects(first.forget(), { code: "NETWORK", retryable: true });
  assert.equal(store.entries.size, 0);
  await assert.rejects(first.exportKeys(), { code: "CLOSED" });
  isAway = false;
  await first.forget();
  assert.equal(server.log.filter(({ method }) => method === "DELETE").length, 2);
});

test("the key is wiped although the store cannot delete, and the server is told", async () => {
  const { server, store, first } = await tabs();
  store.delete = async () => {
    throw new RangeError("no room");
  };
  await assert.rejects(first.forget(), RangeError);
  await assert.rejects(first.exportKeys(), { code: "CLOSED" });
  assert.equal(server.log.at(-1).method, "DELETE");
});

test("a rotation is over although the server does not delete the old keys, and says so", async () => {
  let isAway = true;
  const { store, first, server } = await tabs({ intercept: ({ method }) => (method === "DELETE" && isAway ? problem(503, "STORE_UNAVAILABLE") : undefined) });
  const old = store.kept();
  server.present.clear();
  const { made, notDeleted } = await first.rotateKeys();
  assert.deepEqual([made, notDeleted.code], [2, "STORE_UNAVAILABLE"]);
  assert.notEqual(store.kept(), old);
  assert.equal(store.kept(), decode(await first.exportKeys()).secret_id);
  await first.predict(INPUT);
  isAway = false;
  assert.ok(!("notDeleted" in (await first.rotateKeys())));
});
