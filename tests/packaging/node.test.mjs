// The packed npm package in Node. Needs no packages of its own, so that every test run has it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { readFile } from "node:fs/promises";
import { join, posix } from "node:path";

import { startServer } from "../e2e/server.mjs";
import { PATIENT, TOLERANCE, output, pack, program, project, temporary, write } from "./project.mjs";
import { snippets } from "./snippets.mjs";

let server;
let temp;
let packed;
let folder;
before(async () => {
  temp = await temporary();
  [server, packed] = await Promise.all([startServer(), pack(temp.folder)]);
  const there = { url: "process.argv[2]", answer: "console.log(JSON.stringify(values));" };
  folder = await project(join(temp.folder, "node"), packed.tarball, {
    "module.mjs": program(there),
    "common.cjs": `const encrypted = import("encrypted-inference");
      encrypted.then(async ({ connect }) => {
        const model = await (await connect(process.argv[2])).model("breast_cancer_logistic");
        const { values } = await model.predict(${JSON.stringify(PATIENT.values)});
        console.log(JSON.stringify(values));
        await model.close();
      });`,
    "thread.mjs": `import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
      if (isMainThread) {
        new Worker(new URL(import.meta.url), { workerData: process.argv[2] }).on("message", (values) => console.log(JSON.stringify(values)));
      } else {
        const { connect } = await import("encrypted-inference");
        const model = await (await connect(workerData)).model("breast_cancer_logistic");
        const { values } = await model.predict(${JSON.stringify(PATIENT.values)});
        await model.close();
        parentPort.postMessage(values);
      }`,
    "inline.mjs": program({ ...there, from: "encrypted-inference/inline" }),
  });
});
after(async () => {
  await server?.stop();
  await temp?.remove();
});

const isRight = (text) => {
  const [value] = JSON.parse(text);
  assert.ok(Math.abs(value - PATIENT.probability) < TOLERANCE, `${value} against ${PATIENT.probability}`);
};

test("the tarball holds what is needed and nothing else", () => {
  const allowed = /^(?:LICENSE|README\.md|docs\/[\w-]+\.md|package\.json|bin\/[\w-]+\.mjs|dist\/(?:[\w-]+\/)?[\w-]+\.(?:js|js\.map|d\.ts)|wasm\/(?:simd|scalar)\.wasm)$/;
  assert.deepEqual(packed.files.filter((path) => !allowed.test(path)), []);
  for (const path of ["dist/index.js", "dist/index.d.ts", "dist/index.js.map", "dist/worker.js", "wasm/simd.wasm", "wasm/scalar.wasm", "README.md", "LICENSE"]) {
    assert.ok(packed.files.includes(path), path);
  }
  assert.ok(packed.size < 1_000_000, `${packed.size} bytes`);
});

test("every relative link of its documents leads to a file in it", async () => {
  const base = join(folder, "node_modules/encrypted-inference");
  let links = 0;
  for (const path of packed.files.filter((path) => path.endsWith(".md"))) {
    const text = await readFile(join(base, path), "utf8");
    for (const [, target] of text.matchAll(/\]\(<?([^)>\s]+)>?\)/g)) {
      if (/^(?:https?:|#)/.test(target)) continue;
      links += 1;
      const file = posix.join(posix.dirname(path), target.split("#")[0]);
      assert.ok(packed.files.includes(file), `${path} links to ${target}`);
    }
  }
  assert.ok(links >= 5, `${links} were found`);
});

test("every block of JavaScript in its README and its guide runs as it stands there", async (context) => {
  let ran = 0;
  for (const path of ["README.md", "docs/guide.md"]) {
    for (const { line, program } of snippets(await readFile(join(folder, "node_modules/encrypted-inference", path), "utf8"))) {
      await context.test(`${path}, line ${line}`, async () => {
        await write(folder, { "snippet.mjs": program });
        await output("node", ["snippet.mjs", server.url], { cwd: folder });
      });
      ran += 1;
    }
  }
  assert.ok(ran >= 5, `${ran} were found`);
});

test("it installs without scripts and without other packages", async () => {
  const tree = JSON.parse(await output("npm", ["ls", "--all", "--json"], { cwd: folder }));
  assert.deepEqual(Object.keys(tree.dependencies), ["encrypted-inference"]);
  assert.equal(tree.dependencies["encrypted-inference"].dependencies, undefined);
  const manifest = JSON.parse(await output("node", ["-p", "JSON.stringify(require('encrypted-inference/package.json'))"], { cwd: folder }));
  for (const hook of ["preinstall", "install", "postinstall", "prepare"]) assert.equal(manifest.scripts[hook], undefined);
});

for (const [name, file] of Object.entries({ "an ES module": "module.mjs", "CommonJS by dynamic import": "common.cjs", "a worker thread": "thread.mjs", "one file": "inline.mjs" })) {
  test(`it predicts in Node: ${name}`, async () => isRight(await output("node", [file, server.url], { cwd: folder })));
}

test("its command is installed", async () => {
  const text = await output("npx", ["--offline", "--no-install", "encrypted-inference", "models", server.url, "--json"], { cwd: folder });
  assert.ok(JSON.parse(text).some(({ model_id: name }) => name === "breast_cancer_logistic"));
});
