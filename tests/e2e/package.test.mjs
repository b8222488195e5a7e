// The npm package in a real Chromium: where it works, what it keeps, what it falls back to.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { FRAME, longestTask, openPage, startChromium, trace } from "./chromium.mjs";
import { serveFiles } from "./files.mjs";
import { patients } from "./plain.mjs";
import { ROOT, startServer } from "./server.mjs";

const TOLERANCE = 2 ** -7;
const POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src *";
/** Pages beside the package, by the policy that they are under. */
const PAGES = { "/page.html": "worker-src 'self'", "/without-workers.html": "worker-src 'none'" };
const EMPTY = "<!doctype html><title>empty</title>";
const OWN_WORKER = 'import "./encrypted-inference/dist/worker.js"; addEventListener("message", () => undefined);';

let server;
let browser;
let files;
before(async () => {
  [server, browser, files] = await Promise.all([
    startServer(),
    startChromium(),
    serveFiles(join(ROOT, "dist/www"), {
      headers: (path) => (path in PAGES ? { "content-security-policy": `${POLICY}; ${PAGES[path]}` } : {}),
      pages: { ...Object.fromEntries(Object.keys(PAGES).map((path) => [path, EMPTY])), "/own-worker.js": OWN_WORKER },
    }),
  ]);
});
after(async () => {
  files?.close();
  await browser?.close();
  await server?.stop();
});

/** Opens an empty page beside the package. */
const open = ({ page = "page.html", script } = {}) =>
  openPage(browser, files.url + page, { home: files.url, prepare: (page) => script && page.addInitScript(script) });

/** Predicts in a page; `options` are those of `connect`, `keep` that of `api.model`. */
const predict = (page, options = {}) =>
  page.evaluate(
    async ({ url, values, keep, own, ...options }) => {
      const { connect } = await import("/encrypted-inference/dist/index.js");
      if (own) options.worker = () => new Worker("/own-worker.js", { type: "module" });
      const api = await connect(url, options);
      const model = await api.model("breast_cancer_logistic", { keep });
      Object.assign(globalThis, { api, model });
      const { made, keyId } = await model.prepareKeys();
      const prediction = await model.predict(values);
      return { made, keyId, value: prediction.values[0] };
    },
    { url: server.url, values: patients[0].values, ...options },
  );

const isRight = ({ value }) => assert.ok(Math.abs(value - patients[0].probability) < TOLERANCE, `${value}`);

test("in a worker, in this thread, in a worker of the caller's", async () => {
  for (const [options, workers] of [[{}, 1], [{ worker: false }, 0], [{ own: true }, 1]]) {
    const { page, complaints, close } = await open();
    isRight(await predict(page, options));
    assert.equal(page.workers().length, workers, JSON.stringify(options));
    assert.deepEqual(complaints, []);
    await close();
  }
});

test("without a worker no frame is held up either", async () => {
  const { page, close } = await open();
  await trace(browser, page);
  await page.evaluate(async (url) => {
    performance.mark("started");
    const { connect } = await import("/encrypted-inference/dist/index.js");
    const model = await (await connect(url, { worker: false })).model("mnist_mlp");
    for (let i = 0; i < 5; i += 1) await model.predict(new Float32Array(784));
  }, server.url);
  const longest = await longestTask(browser);
  assert.ok(longest <= FRAME, `${longest} ms in one piece`);
  await close();
});

test("in this thread where a policy forbids workers", async () => {
  const { page, close } = await open({ page: "without-workers.html" });
  isRight(await predict(page));
  assert.equal(page.workers().length, 0);
  await close();
});

test("without SIMD, by the other module", async () => {
  const before = files.asked.length;
  const { page, close } = await open({ script: "WebAssembly.validate = () => false;" });
  isRight(await predict(page));
  const asked = files.asked.slice(before);
  assert.ok(asked.some((path) => path.endsWith("scalar.wasm")) && !asked.some((path) => path.endsWith("simd.wasm")), asked.join(" "));
  await close();
});

test("keys are kept between visits, encrypted with a key that cannot be taken along", async () => {
  const { page, close } = await open();
  const first = await predict(page, { keep: true });
  assert.ok(first.made > 0);
  const exported = await page.evaluate(async () => [...(await globalThis.model.exportKeys())]);

  await page.reload();
  const second = await predict(page, { keep: true });
  isRight(second);
  assert.deepEqual([second.made, second.keyId], [0, first.keyId]);

  const stored = await page.evaluate(async () => {
    const opened = indexedDB.open("encrypted-inference");
    await new Promise((resolve) => (opened.onsuccess = resolve));
    const request = opened.result.transaction("entries").objectStore("entries").getAll();
    await new Promise((resolve) => (request.onsuccess = resolve));
    opened.result.close();
    const key = request.result.find((entry) => entry instanceof CryptoKey);
    const entries = request.result.filter((entry) => !(entry instanceof CryptoKey)).map(({ bytes }) => [...new Uint8Array(bytes)]);
    const taken = await crypto.subtle.exportKey("raw", key).then(() => true, () => false);
    return { entries, taken, extractable: key.extractable };
  });
  assert.deepEqual([stored.taken, stored.extractable, stored.entries.length], [false, false, 1]);
  const kept = Buffer.from(stored.entries[0]);
  const secret = Buffer.from(exported);
  for (let i = 0; i + 16 <= secret.length; i += 16) assert.equal(kept.indexOf(secret.subarray(i, i + 16)), -1, `byte ${i}`);

  await page.evaluate(() => globalThis.model.forget());
  assert.equal((await fetch(`${server.url}/keys/${first.keyId}`)).status, 404);
  await page.reload();
  const third = await predict(page, { keep: true });
  assert.notEqual(third.keyId, first.keyId);
  await close();
});

/** Takes every change of kept keys back after its request has succeeded, if told to, and sees how changes are made. */
const WATCH_STORAGE = `globalThis.watched = { modes: [], encrypted: [], takesBack: false };
  const { put } = IDBObjectStore.prototype;
  IDBObjectStore.prototype.put = function (...words) {
    const request = put.apply(this, words);
    request.addEventListener("success", () => watched.takesBack && this.transaction.abort());
    return request;
  };
  const { transaction } = IDBDatabase.prototype;
  IDBDatabase.prototype.transaction = function (...words) {
    const made = transaction.apply(this, words);
    watched.modes.push(made.mode + " " + made.durability);
    return made;
  };
  const { encrypt } = SubtleCrypto.prototype;
  SubtleCrypto.prototype.encrypt = function (algorithm, key, bytes) {
    watched.encrypted.push(bytes);
    return encrypt.call(this, algorithm, key, bytes);
  };`;

test("keys are kept when they are on the disk, and no copy of them is left in the page", async () => {
  const { page, close } = await open({ script: WATCH_STORAGE });
  await predict(page, { keep: true });
  const { modes, encrypted } = await page.evaluate(() => ({ ...globalThis.watched, encrypted: globalThis.watched.encrypted.map((bytes) => [...bytes]) }));
  assert.ok(modes.includes("readwrite strict") && !modes.some((mode) => /^readwrite (?!strict)/.test(mode)), modes.join());
  assert.ok(encrypted.length > 0 && encrypted.every((bytes) => bytes.length > 100 && bytes.every((byte) => byte === 0)));

  const refused = await page.evaluate(async () => {
    globalThis.watched.takesBack = true;
    return globalThis.model.rotateKeys().then(() => "kept", ({ code }) => code);
  });
  assert.equal(refused, "STORAGE");
  await close();
});

test("two tabs that open at once have one secret key, and what one has rotated the other does not bring back", async () => {
  const { page, close } = await open();
  const other = await page.context().newPage();
  await other.goto(page.url());
  const started = (tab) =>
    tab.evaluate(async (url) => {
      const { connect } = await import("/encrypted-inference/dist/index.js");
      globalThis.model = await (await connect(url)).model("breast_cancer_logistic", { keep: true });
      return [...(await globalThis.model.exportKeys())];
    }, server.url);
  const [first, second] = await Promise.all([page, other].map(started));
  assert.deepEqual(first, second);
  await page.evaluate(() => globalThis.model.rotateKeys().then(() => undefined));
  assert.equal(await other.evaluate(() => globalThis.model.prepareKeys().then(() => "made", ({ code }) => code)), "KEYS_MISMATCH");
  const [rotated, again] = [await page.evaluate(async () => [...(await globalThis.model.exportKeys())]), await started(other)];
  assert.deepEqual(again, rotated);
  await close();
});

test("what a server offers is fetched once, and asked for again without its body", async () => {
  const { page, close } = await open();
  const client = await page.context().newCDPSession(page);
  const statuses = [];
  client.on("Network.responseReceivedExtraInfo", ({ statusCode }) => statuses.push(statusCode));
  await client.send("Network.enable");
  const offers = () =>
    page.evaluate(async (url) => {
      const { connect } = await import("/encrypted-inference/dist/index.js");
      return (await connect(url)).models.length;
    }, server.url);
  const unchanged = () => statuses.filter((status) => status === 304).length;
  const first = await offers();
  assert.equal(unchanged(), 0);
  assert.equal(await offers(), first);
  assert.equal(unchanged(), 2, "the models and the parameter sets");
  await close();
});

/** Keeps the memory of every module that is instantiated where a test finds it. */
const SEE_MEMORY = `globalThis.memories = [];
  const { Instance } = WebAssembly;
  WebAssembly.Instance = function (...words) {
    const instance = new Instance(...words);
    memories.push(instance.exports.memory);
    return instance;
  };
  WebAssembly.Instance.prototype = Instance.prototype;`;

test("a thousand predictions take no more memory than a hundred", async () => {
  const { page, close } = await open({ script: SEE_MEMORY });
  await predict(page, { worker: false });
  const run = (count) =>
    page.evaluate(
      async ({ count, values }) => {
        for (let i = 0; i < count; i += 1) {
          // Encrypting and decrypting are the client's work; the server's answer is the same each time.
          const input = await globalThis.model.encrypt(values);
          globalThis.output ??= await globalThis.api.send(input);
          await globalThis.model.decrypt(globalThis.output);
        }
        return globalThis.memories.reduce((sum, memory) => sum + memory.buffer.byteLength, 0);
      },
      { count, values: patients[0].values },
    );
  const client = await page.context().newCDPSession(page);
  const heap = async () => {
    await client.send("HeapProfiler.collectGarbage");
    return (await client.send("Runtime.getHeapUsage")).usedSize;
  };
  const [wasm, before] = [await run(100), await heap()];
  const [wasmAfter, after] = [await run(1000), await heap()];
  assert.ok(wasm > 1_000_000, `${wasm} bytes of WebAssembly were seen`);
  assert.equal(wasmAfter, wasm, "WebAssembly's memory");
  assert.ok(after < before + 500_000, `${before} bytes of JavaScript, then ${after}`);
  await close();
});
