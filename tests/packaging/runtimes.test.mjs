// The packed npm package in other runtimes than Node: Deno, Bun, workerd; and bundled for Node.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";
import { Miniflare } from "miniflare";

import { startServer } from "../e2e/server.mjs";
import { PATIENT, TOLERANCE, output, pack, program, project, temporary, write } from "./project.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const BUN = here("node_modules/@oven/bun-linux-x64/bin/bun");
const DENO = here("node_modules/deno/bin.cjs");

let server;
let temp;
let folder;
before(async () => {
  temp = await temporary();
  const [started, { tarball }] = await Promise.all([startServer(), pack(temp.folder)]);
  server = started;
  const answer = "console.log(JSON.stringify(values));";
  folder = await project(join(temp.folder, "runtimes"), tarball, {
    "node.mjs": program({ url: "process.argv[2]", answer }),
    "deno.mjs": program({ url: "Deno.args[0]", answer }),
    "stranger.ts": await readFile(here("stranger.ts"), "utf8"),
    "worker.mjs": `import { connect } from "encrypted-inference";
      export default {
        async fetch(request) {
          const model = await (await connect(new URL(request.url).searchParams.get("api"))).model("breast_cancer_logistic");
          const { values } = await model.predict(${JSON.stringify(PATIENT.values)});
          await model.close();
          return Response.json(values);
        },
      };`,
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

test("Deno", async () => {
  const words = [DENO, "run", "--allow-net", "--allow-read", "--node-modules-dir=manual", "--no-remote", "deno.mjs", server.url];
  isRight(await output("node", words, { cwd: folder, env: { ...process.env, DENO_NO_UPDATE_CHECK: "1" } }));
});

test("Bun", { skip: existsSync(BUN) ? false : "there is none for this system" }, async () => {
  isRight(await output(BUN, ["run", "node.mjs", server.url], { cwd: folder }));
});

test("bundled for Node by esbuild, where the files stay behind", async () => {
  const bundled = join(temp.folder, "bundled.mjs");
  await build({ entryPoints: [join(folder, "node.mjs")], bundle: true, platform: "node", format: "esm", outfile: bundled, logLevel: "warning" });
  isRight(await output("node", [bundled, server.url], { cwd: temp.folder }));
});

test("the types fit a strict project, by Node's resolution and by bundlers'", async () => {
  const compiler = here("node_modules/typescript/bin/tsc");
  for (const [moduleResolution, module] of [["nodenext", "nodenext"], ["bundler", "esnext"]]) {
    const compilerOptions = { noEmit: true, strict: true, exactOptionalPropertyTypes: true, module, moduleResolution, target: "es2022", lib: ["es2022", "dom"], types: [] };
    await write(folder, { "tsconfig.json": JSON.stringify({ compilerOptions, files: ["stranger.ts"] }) });
    await output("node", [compiler, "--project", folder], { cwd: folder });
  }
});

test("workerd, bundled as wrangler bundles", async () => {
  const outdir = join(folder, "worker");
  const bundled = await build({
    entryPoints: [join(folder, "worker.mjs")],
    bundle: true,
    format: "esm",
    outdir,
    outExtension: { ".js": ".mjs" },
    conditions: ["workerd", "worker", "browser"],
    // wrangler leaves compiled modules to the runtime.
    loader: { ".wasm": "copy" },
    metafile: true,
    logLevel: "warning",
  });
  const outputs = Object.keys(bundled.metafile.outputs).filter((path) => path.endsWith(".wasm"));
  assert.equal(outputs.length, 1, "the module with SIMD alone");
  const flare = new Miniflare({
    modules: true,
    modulesRules: [{ type: "CompiledWasm", include: ["**/*.wasm"] }],
    modulesRoot: outdir,
    scriptPath: join(outdir, "worker.mjs"),
    compatibilityDate: "2026-04-01",
  });
  try {
    const url = await flare.ready;
    const answer = await fetch(`${url}?api=${encodeURIComponent(server.url)}`);
    isRight(await answer.text());
  } finally {
    await flare.dispose();
  }
});
