import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { connect } from "encrypted-inference";

import { bodyOf, fakeServer, outputFor } from "./support.mjs";

const wasm = (name) => readFile(new URL(`../wasm/${name}.wasm`, import.meta.url));

async function open(options) {
  const server = fakeServer();
  const model = await (await connect("https://server.test", { fetch: server.fetch, ...options })).model("sum");
  return { server, model };
}

test("the module can be given as bytes, and with or without SIMD", async () => {
  for (const name of ["simd", "scalar"]) {
    const { server, model } = await open({ wasm: wasm(name) });
    await model.prepareKeys();
    assert.equal(server.present.size, 2);
    await model.close();
  }
});

test("a module that cannot be loaded is told", async () => {
  await assert.rejects(open({ wasm: new Uint8Array([1, 2, 3]) }), { code: "MODULE", message: /'wasm-unsafe-eval'/ });
});

test("the copy in a script works where the files are missing", async () => {
  const { readFileSync } = await import("node:fs");
  const { mkdtemp, writeFile, copyFile, rm } = await import("node:fs/promises");
  const { tmpdir } = await import("node:os");
  const { join } = await import("node:path");
  const { pathToFileURL } = await import("node:url");
  const folder = await mkdtemp(join(tmpdir(), "encrypted-inference-"));
  const dist = new URL("../dist/", import.meta.url);
  for (const entry of ["node", "index", "inline"]) {
    await writeFile(join(folder, `${entry}.mjs`), readFileSync(new URL(`${entry}.js`, dist)));
  }
  await copyFile(new URL("inline-files.js", dist), join(folder, "inline-files.js"));
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  try {
    for (const entry of ["node", "index", "inline"]) {
      const there = await import(pathToFileURL(join(folder, `${entry}.mjs`)));
      const server = fakeServer();
      const model = await (await there.connect("https://server.test", { fetch: server.fetch })).model("sum");
      await model.prepareKeys();
      assert.equal(bodyOf({ body: (await model.encrypt([1, 2, 3, 4])).input }).payloads[0].length, 30292, entry);
      await model.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

/** A worker whose messages a test sees; it answers as told, without doing any work. */
function seenWorker(answers = { secret: new Uint8Array(84) }) {
  const asked = [];
  let ended = false;
  let started = 0;
  class SeenWorker extends EventTarget {
    constructor() {
      super();
      started += 1;
      setTimeout(() => this.#say({ ready: true }));
    }
    postMessage({ id, engine, open, call, close }) {
      asked.push({ engine, what: open ? "open" : close ? "close" : call.method });
      setTimeout(() => this.#say({ id, value: answers[call?.method] }));
    }
    terminate() {
      ended = true;
    }
    #say(data) {
      this.dispatchEvent(new MessageEvent("message", { data: { mark: "encrypted-inference", ...data } }));
    }
  }
  return { asked, start: () => new SeenWorker(), ended: () => ended, started: () => started };
}

const soon = () => new Promise((resolve) => setTimeout(resolve, 5));

test("models share a worker of the caller's, which ends with the last of them", async () => {
  const { asked, start, ended, started } = seenWorker();
  const api = await connect("https://server.test", { fetch: fakeServer().fetch, worker: start });
  const [first, second] = await Promise.all([api.model("sum"), api.model("sum")]);
  await first.close();
  assert.equal(ended(), false);
  await second.close();
  assert.equal(ended(), true);
  assert.equal(started(), 1);
  await (await api.model("sum")).close();
  assert.equal(started(), 2, "another one when it is needed again");
  assert.deepEqual(asked.map(({ engine, what }) => `${what} ${engine}`), ["open 1", "open 2", "close 1", "close 2", "open 3", "close 3"]);
});

test("a worker that cannot be loaded is told", async () => {
  const start = () => Object.assign(new EventTarget(), { postMessage: () => undefined, terminate: () => undefined });
  const broken = () => {
    const worker = start();
    setTimeout(() => worker.dispatchEvent(new Event("error")));
    return worker;
  };
  const api = await connect("https://server.test", { fetch: fakeServer().fetch, worker: broken });
  await assert.rejects(api.model("sum"), { code: "WORKER", message: /could not be loaded/ });
});

test("the key of a model that was dropped without closing is wiped", { skip: globalThis.gc ? false : "needs --expose-gc" }, async () => {
  const { asked, start } = seenWorker();
  const api = await connect("https://server.test", { fetch: fakeServer().fetch, worker: start });
  await (async () => void (await api.model("sum")))();
  for (let i = 0; i < 50 && asked.at(-1).what !== "close"; i += 1) {
    await soon();
    globalThis.gc();
  }
  assert.equal(asked.at(-1).what, "close");
});

test("a model is closed at the end of its block", async () => {
  const { asked, start } = seenWorker();
  const api = await connect("https://server.test", { fetch: fakeServer().fetch, worker: start });
  const model = await api.model("sum");
  assert.equal(typeof model[Symbol.dispose], "function");
  await model[Symbol.asyncDispose]();
  assert.equal(asked.at(-1).what, "close");
});

test("a model that gives the class alone names it by its scores", async () => {
  const decrypt = [{ raw: [-3, 2, 1], values: [1], inRange: true }];
  const { start } = seenWorker({ secret: new Uint8Array(84), decrypt });
  const api = await connect("https://server.test", { fetch: fakeServer().fetch, worker: start });
  const model = await api.model("sum");
  model.info.output.labels = ["no", "perhaps", "yes"];
  const { values, best } = await model.decrypt(await outputFor(model));
  assert.deepEqual(values, [1]);
  assert.deepEqual(best, { index: 1, value: 2, label: "perhaps" });
});

test("one probability below one half speaks against its label", async () => {
  const outputs = [0.2, 0.5, 0.9].map((value) => ({ raw: [value], values: [value], inRange: true }));
  const best = async (postprocessing, decrypt) => {
    const { start } = seenWorker({ secret: new Uint8Array(84), decrypt: [decrypt] });
    const model = await (await connect("https://server.test", { fetch: fakeServer().fetch, worker: start })).model("sum");
    Object.assign(model.info.output, { labels: ["benign"], postprocessing });
    return (await model.decrypt(await outputFor(model))).best;
  };
  const labels = async (postprocessing) => {
    const found = [];
    for (const output of outputs) found.push(await best(postprocessing, output));
    assert.deepEqual(found.map(({ index, value }) => [index, value]), outputs.map(({ values }) => [0, values[0]]));
    return found.map(({ label }) => label);
  };
  assert.deepEqual(await labels("sigmoid"), [undefined, "benign", "benign"]);
  // The size of any other number says nothing about its name.
  assert.deepEqual(await labels("none"), ["benign", "benign", "benign"]);
});
