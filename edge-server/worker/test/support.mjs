// What the tests share: right answers, and the operator's view.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { connect } from "encrypted-inference";

import { readNpz } from "../../../www/npz.mjs";
import { readOnnx } from "../../../www/src/plain/onnx.js";
import { evaluate } from "../../../www/src/plain/run.js";

/** What the module may take of the 128 MB of an isolate, see src/memory.rs. */
export const MODULE_BYTES = 104 * 2 ** 20;

const model = (path) => fileURLToPath(new URL(`../../../models/${path}`, import.meta.url));
const json = async (path) => JSON.parse(await readFile(model(path), "utf8"));

export const packageOf = (name) => model(`${name}/package`);

/** How far an answer of a model with activations that are approximated may be from the plain one. */
const TOLERANCE = 0.1;

const { patients } = await json("breast_cancer_logistic/demo_patients.json");
const { digits } = await json("mnist_mlp/demo_digits.json");

/** Inputs of each model, and what the answers are checked by. */
export const QUESTIONS = {
  breast_cancer_logistic: patients.map(({ values, probability }) => ({
    input: values,
    isRight: ([value]) => Math.abs(value - probability) < 2 ** -7,
  })),
  mnist_mlp: digits.map(question),
  mnist_cnn: digits.map(question),
  wine_mlp: await sampled("wine_mlp"),
  gunpoint_cnn: await sampled("gunpoint_cnn"),
  fashion_resnet: await sampled("fashion_resnet"),
  mnist_lenet: await sampled("mnist_lenet"),
  gloss_search: await searches(),
};

function question({ pixels, label }) {
  return { input: pixels, isRight: (values) => values.indexOf(Math.max(...values)) === label };
}

/** Some samples, and what the plain model answers. */
async function sampled(name) {
  const SAMPLES = 3;
  const graph = readOnnx(new Uint8Array(await readFile(model(`${name}/model.onnx`))));
  const { x } = readNpz(await readFile(model(`${name}/samples.npz`)));
  const [count, ...shape] = x.shape;
  const dimension = x.data.length / count;
  return Array.from({ length: SAMPLES }, (_, at) => {
    const input = [...x.data.slice(at * dimension, (at + 1) * dimension)];
    const plain = [...evaluate(graph, Float64Array.from(input), shape)];
    const isRight = (values) => values.length === plain.length && values.every((value, at) => Math.abs(value - plain[at]) < TOLERANCE);
    return { input, plain, isRight };
  });
}

/** Texts as vectors, and the scores of all words for each. */
async function searches() {
  /** Six standard deviations of the error of a score. */
  const FARTHEST = 1e-4;
  const graph = readOnnx(new Uint8Array(await readFile(model("gloss_search/model.onnx"))));
  return (await json("gloss_search/examples.json")).map(({ vector }) => {
    const plain = evaluate(graph, Float64Array.from(vector), [vector.length]);
    const isRight = (values) => values.length === plain.length && values.every((value, at) => Math.abs(value - plain[at]) < FARTHEST);
    return { input: vector, isRight };
  });
}

export const ADMIN_TOKEN = "a-token-of-the-operator-0123456789";

/** One number of the operator's metrics. */
export async function metric(url, name) {
  const answer = await fetch(`${url}/admin/metrics`, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } });
  const line = (await answer.text()).split("\n").find((line) => line.startsWith(`${name} `));
  return Number(line?.split(" ")[1]);
}

/** How JavaScript and the module share an isolate, for people and for `assert`. */
export async function memoryOf(url, { bytes, heap, buffers, stops }) {
  const module = await metric(url, "edge_server_resident_bytes");
  const text = Object.entries({ module, bytes, heap, buffers }).map(([name, value]) => `${name} ${(value / 1e6).toFixed(1)} MB`);
  const sum = ((module + bytes) / 1e6).toFixed(1);
  return { module, text: `${text.join(", ")}, together ${sum} MB, ${stops} stops` };
}

/** Ends the runtime that this process has started, without a chance to finish anything. */
export async function killRuntime() {
  const { stdout } = await promisify(execFile)("ps", ["-A", "-o", "pid=,ppid=,comm="]);
  const rows = stdout.trim().split("\n").map((line) => line.trim().split(/\s+/));
  const own = rows.filter(([, parent, name]) => Number(parent) === process.pid && name.endsWith("workerd"));
  assert.equal(own.length, 1, "one runtime");
  process.kill(Number(own[0][0]), "SIGKILL");
}

/** A folder with so many versions of a model's package, more than fit. */
export async function versionsOf(name, count) {
  const folder = await mkdtemp(join(tmpdir(), "packages-"));
  const manifest = await json(`${name}/package/manifest.json`);
  for (let version = 0; version < count; version += 1) {
    const one = join(folder, `${name}-${version}`);
    await mkdir(one);
    await writeFile(join(one, "manifest.json"), JSON.stringify({ ...manifest, version: `1.0.${version}` }));
    await copyFile(join(packageOf(name), manifest.weights.file), join(one, manifest.weights.file));
  }
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** What the client sends when it asks a model, to be sent again, or for the first time. Its key set stays. */
export async function recordedInference(url, name, { isSent = true } = {}) {
  let inference;
  const stop = new AbortController();
  const recorder = async (address, init) => {
    if (init?.method === "POST" && new URL(address).pathname === "/infer") {
      inference = init;
      if (!isSent) stop.abort();
    }
    stop.signal.throwIfAborted();
    return fetch(address, init);
  };
  const model = await (await connect(url, { fetch: recorder })).model(name);
  const [{ input, isRight }] = QUESTIONS[name];
  const asked = model.predict(input, { signal: stop.signal });
  if (isSent) assert.ok(isRight((await asked).values));
  else await assert.rejects(asked);
  await model.close();
  const headers = Object.fromEntries(new Headers(inference.headers));
  for (const name of ["prefer", "idempotency-key"]) delete headers[name];
  return { method: "POST", headers: { ...headers, accept: "application/json" }, body: inference.body };
}

/** The evaluation keys that the client makes for a model, by name. The set that it has put them into stays. */
export async function recordedKeys(url, name) {
  const keys = new Map();
  const recorder = async (address, init) => {
    if (init?.method === "PUT") keys.set(new URL(address).pathname.split("/").pop(), init.body.slice());
    return fetch(address, init);
  };
  const model = await (await connect(url, { fetch: recorder })).model(name);
  await model.prepareKeys();
  await model.close();
  return keys;
}

/** A promise that somebody else fulfils. */
export function signal() {
  const made = {};
  made.promise = new Promise((resolve) => (made.resolve = resolve));
  return made;
}

/** What the lines of a log with this text say. */
export const fields = (log, text) => log.filter((line) => line.includes(text)).map((line) => JSON.parse(line).fields);

/** Waits until the log has so many lines with this text. */
export async function logged(log, text, times = 1) {
  for (let tries = 0; tries < 600; tries += 1) {
    if (log.filter((line) => line.includes(text)).length >= times) return;
    await sleep(50);
  }
  throw new Error(`not logged: ${text}\n${log.join("\n")}`);
}

export async function finished(url, id) {
  for (let tries = 0; tries < 600; tries += 1) {
    const answer = await fetch(`${url}/jobs/${id}`, { headers: { accept: "application/json" } });
    const job = await answer.json();
    assert.ok(answer.ok, JSON.stringify(job));
    if (job.status === "completed" || job.status === "failed") return job;
    await sleep(50);
  }
  throw new Error(`job ${id} does not end`);
}
