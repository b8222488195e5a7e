// What is copied on the way to WebAssembly and back, and what is handed over on the way to a worker and back.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { Worker as Thread } from "node:worker_threads";

import { connect } from "encrypted-inference";

import { fakeServer, noise, outputFor } from "./support.mjs";

/** Sizes of what was copied to WebAssembly and from there. */
const copied = { in: [], out: [] };

const { Instance } = WebAssembly;
WebAssembly.Instance = class extends Instance {
  constructor(module, imports) {
    const given = Object.fromEntries(Object.entries(imports).map(([name, members]) => [name, seen(members)]));
    super(module, given);
    const { exports } = this;
    const malloc = (bytes, align) => copied.in.push(bytes) && exports.__wbindgen_malloc(bytes, align);
    const free = (at, bytes, align) => copied.out.push(bytes) && exports.__wbindgen_free(at, bytes, align);
    Object.defineProperty(this, "exports", { value: { ...exports, __wbindgen_malloc: malloc, __wbindgen_free: free } });
  }
};

/** Imports, with the arrays that one makes from what is in WebAssembly's memory. */
function seen(members) {
  const copy = (call) => (...words) => {
    const made = call(...words);
    copied.out.push(made.byteLength);
    return made;
  };
  return Object.fromEntries(Object.entries(members).map(([name, call]) => [name, name.includes("new_from_slice") ? copy(call) : call]));
}

async function open(options) {
  const model = await (await connect("https://server.test", { fetch: fakeServer().fetch, ...options })).model("sum");
  await model.prepareKeys();
  return model;
}

test("an encryption and a decryption each copy their input to WebAssembly once, and once what they give", async () => {
  const model = await open({ worker: false });
  Object.assign(copied, { in: [], out: [] });
  await model.encrypt([1, 2, 3, 4]);
  assert.deepEqual(copied, { in: [4 * 8], out: [30292] });

  const output = await outputFor(model, noise());
  Object.assign(copied, { in: [], out: [] });
  const { raw, values } = await model.decrypt(output);
  // One number before post-processing, one after, and whether the model can give it.
  assert.deepEqual(copied, { in: [noise().length], out: [3 * 8] });
  assert.deepEqual(raw, values);
  await model.close();
});

const threads = [];
afterEach(() => Promise.all(threads.splice(0).map((thread) => thread.terminate())));

/** The package's worker in a thread of Node. It tells how many bytes each of its answers left behind. */
function startThread() {
  const script = `
    const { parentPort } = require("node:worker_threads");
    globalThis.addEventListener = (_, listen) => parentPort.on("message", (data) => listen({ data }));
    globalThis.postMessage = (message, transfer) => {
      parentPort.postMessage(message, transfer);
      parentPort.postMessage({ left: transfer.reduce((sum, { byteLength }) => sum + byteLength, 0), transferred: transfer.length });
    };
    import(${JSON.stringify(new URL("../dist/worker.js", import.meta.url).href)});`;
  const thread = new Thread(script, { eval: true });
  threads.push(thread);
  const worker = new EventTarget();
  const heard = [];
  thread.on("message", (data) => ("left" in data ? heard.push(data) : worker.dispatchEvent(new MessageEvent("message", { data }))));
  const asked = [];
  worker.postMessage = (message, transfer) => {
    thread.postMessage(message, transfer);
    asked.push({ message, transfer });
  };
  worker.terminate = () => thread.terminate();
  return { worker, asked, heard };
}

test("memory is handed over to a worker and back, and what the caller has stays with the caller", async () => {
  const { worker, asked, heard } = startThread();
  const model = await open({ worker: () => worker });
  const sample = Float64Array.of(1, 2, 3, 4);
  await model.encrypt(sample);
  const encryption = asked.at(-1);
  assert.equal(encryption.message.call.method, "encrypt");
  assert.deepEqual(encryption.transfer.map(({ byteLength }) => byteLength), [0], "handed over");
  assert.deepEqual([...sample], [1, 2, 3, 4]);

  const output = await outputFor(model, noise());
  const before = output.slice();
  const { raw } = await model.decrypt(output);
  const decryption = asked.at(-1);
  assert.equal(decryption.message.call.method, "decrypt");
  assert.deepEqual(decryption.transfer.map(({ byteLength }) => byteLength), [0], "handed over");
  assert.deepEqual(output, before);
  assert.ok(Array.isArray(raw) && raw.length === 1 && Number.isFinite(raw[0]));

  await model.exportKeys();
  // To open, two keys, an encryption, a decryption, the secret key: what held their bytes is empty there.
  assert.deepEqual(heard.map(({ transferred }) => transferred).slice(-4), [1, 1, 1, 1]);
  assert.ok(heard.every(({ left }) => left === 0));
  await model.close();
});
