// The command-line client of the npm package.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { patients } from "./plain.mjs";
import { published, startServer } from "./server.mjs";

const PROGRAM = fileURLToPath(new URL("node_modules/encrypted-inference/bin/encrypted-inference.mjs", import.meta.url));
const TOLERANCE = 2 ** -7;
const MODEL = "breast_cancer_logistic";

let server;
let folder;
before(async () => {
  [server, folder] = await Promise.all([startServer(), mkdtemp(join(tmpdir(), "encrypted-inference-"))]);
  await writeFile(join(folder, "one.json"), JSON.stringify(patients[0].values));
  await writeFile(join(folder, "rows.csv"), patients.slice(0, 3).map(({ values }) => values.join(",")).join("\n"));
});
after(async () => {
  await server?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

/** Runs the program in the test's folder. */
async function cli(words, input = "") {
  const child = spawn(process.execPath, [PROGRAM, ...words], { cwd: folder });
  const out = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"]) child[name].setEncoding("utf8").on("data", (text) => (out[name] += text));
  child.stdin.end(input);
  const code = await new Promise((resolve) => child.on("close", resolve));
  return { code, ...out };
}

const isRight = ({ values }, { probability }) => assert.ok(Math.abs(values[0] - probability) < TOLERANCE, `${values} against ${probability}`);

test("models are listed, samples are predicted", async () => {
  const { stdout } = await cli(["models", server.url]);
  assert.match(stdout, /mnist_mlp 1\.0\.0.*784 values \(1 × 28 × 28\) in, 10 out/s);
  isRight(JSON.parse((await cli(["predict", server.url, MODEL, "--input", "one.json", "--json"])).stdout), patients[0]);
  isRight(JSON.parse((await cli(["predict", server.url, MODEL, "--input", "-", "--json"], patients[4].values.join(" "))).stdout), patients[4]);
  const several = JSON.parse((await cli(["predict", server.url, MODEL, "--input", "rows.csv", "--json"])).stdout);
  assert.equal(several.length, 3);
  several.forEach((each, i) => isRight(each, patients[i]));
  const { feature_names: names } = (await published(server.url, MODEL)).input;
  const named = JSON.stringify(Object.fromEntries(names.map((name, i) => [name, patients[0].values[i]]).reverse()));
  isRight(JSON.parse((await cli(["predict", server.url, MODEL, "--input", "-", "--json"], named)).stdout), patients[0]);
  const searched = await cli(["predict", server.url, "gloss_search", "--random"]);
  assert.equal(searched.stdout.match(/\t-?\d\.\d{5}$/gm).length, 10);
  assert.match(searched.stdout, /^\* \w+\t.*the 10 largest of 2000; --json prints all/s);
  const shown = await cli(["predict", server.url, MODEL, "--random"]);
  assert.match(shown.stdout, /benign\t\d\.\d{5}/);
});

test("keys are kept, used offline, and forgotten", async () => {
  const keys = ["--keys", "secret.keys"];
  assert.match((await cli(["keys", server.url, MODEL, ...keys])).stdout, /\d+ keys made/);
  if (process.platform !== "win32") assert.equal((await stat(join(folder, "secret.keys"))).mode & 0o777, 0o600);
  assert.match((await cli(["keys", server.url, MODEL, ...keys])).stdout, /^0 keys made/);
  for (const file of ["input.bin", "later.bin"]) {
    assert.equal((await cli(["encrypt", ...keys, "--input", "one.json", "--output", file])).code, 0);
  }
  assert.equal((await cli(["send", server.url, "input.bin", "--output", "output.bin"])).code, 0);
  isRight(JSON.parse((await cli(["decrypt", "output.bin", ...keys, "--json"])).stdout), patients[0]);
  assert.equal((await cli(["forget", server.url, MODEL, ...keys])).code, 0);
  await assert.rejects(readFile(join(folder, "secret.keys")), { code: "ENOENT" });
  assert.match((await cli(["send", server.url, "later.bin"])).stderr, /UNKNOWN_KEY: /, "the server has no keys for it any more");
});

test("mistakes are told with what to do", async () => {
  const cases = [
    [["nonsense"], 2, /there is no command nonsense/],
    [["predict", server.url], 2, /the model's name is missing/],
    [["predict", server.url, MODEL], 2, /--input FILE/],
    [["models", server.url, "--wrong"], 2, /--wrong/],
    [["predict", server.url, "none", "--random"], 1, /UNKNOWN_MODEL: .*mnist_mlp/],
    [["predict", server.url, MODEL, "--input", "-"], 1, /INPUT_DIMENSION/, "1 2 3"],
    [["predict", server.url, MODEL, "--input", "-"], 2, /value 2 in line 1/, "1 two 3"],
  ];
  for (const [words, expected, message, input] of cases) {
    const { code, stderr } = await cli(words, input);
    assert.equal(code, expected, words.join(" "));
    assert.match(stderr, message);
    assert.doesNotMatch(stderr, /\bat .*\.m?js/, "no stack");
  }
});
