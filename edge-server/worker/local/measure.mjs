// Measures the Worker in workerd and the native server side by side: one line of JSON for each model, and one for the
// script. EDGE_SERVER is the native server's program; words are names of models, if not all are to be measured.

import { mkdtemp, readFile, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { connect } from "encrypted-inference";

import { startServer } from "../../../tests/e2e/server.mjs";
import { ADMIN_TOKEN, QUESTIONS, metric, recordedInference } from "../test/support.mjs";
import { LARGE, SEARCH, SHIPPED, startWorker } from "./worker.mjs";

const SCRIPT = fileURLToPath(new URL("../dist/script/", import.meta.url));
/** Predictions before those that count, and those; fewer of models that take long. */
const [WARM, RUNS] = [20, 101];
const [WARM_LARGE, RUNS_LARGE] = [2, 15];
const STARTS = 5;
/** Callers at once, and for how long, where the most that a server answers is measured. */
const CALLERS = 8;
const LOAD_MS = 3000;

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** Predicts again and again; what the server logs of its evaluations is what `evaluations` finds. */
async function predictions(url, name, evaluations, [warm, runs]) {
  const model = await (await connect(url)).model(name);
  const [{ input, isRight }] = QUESTIONS[name];
  const keys = await model.prepareKeys();
  for (let i = 0; i < warm; i += 1) await model.predict(input);
  const before = evaluations().length;
  const totals = [];
  for (let i = 0; i < runs; i += 1) {
    const { values, timings } = await model.predict(input);
    if (!isRight(values)) throw new Error(`${name}: ${values}`);
    totals.push(timings.total);
  }
  await model.close();
  const [first] = evaluations();
  const times = evaluations().slice(before, before + runs);
  if (times.length < runs) throw new Error(`${name}: ${times.length} evaluations were logged`);
  return { first_ms: first, evaluate_ms: median(times), total_ms: median(totals), keys_ms: keys.timings.total };
}

/** Answers a second, when so many callers ask again as soon as they are answered, or told to come back. */
async function perSecond(ask) {
  const begun = performance.now();
  const end = begun + LOAD_MS;
  const caller = async () => {
    let answers = 0;
    while (performance.now() < end) {
      const answer = await ask();
      await answer.arrayBuffer();
      if (answer.status === 200) answers += 1;
      else if (answer.status === 503) await sleep(1000 * Number(answer.headers.get("retry-after")));
      else throw new Error(`${answer.url}: ${answer.status}`);
    }
    return answers;
  };
  const answers = await Promise.all(Array.from({ length: CALLERS }, caller));
  // The last ones came later.
  return answers.reduce((sum, count) => sum + count, 0) / ((performance.now() - begun) / 1000);
}

/** How many inferences a second are answered at most, and how many requests that evaluate nothing. */
async function load(url, name) {
  const inference = await recordedInference(url, name);
  inference.headers.prefer = "wait=20";
  const inferences_per_second = await perSecond(() => fetch(`${url}/infer`, inference));
  const requests_per_second = await perSecond(() => fetch(`${url}/limits`, { headers: { accept: "application/json" } }));
  return { inferences_per_second, requests_per_second };
}

/** What a start takes until the first answer. */
async function firstAnswer(start) {
  const times = [];
  for (let i = 0; i < STARTS; i += 1) {
    const { url, begun, stop } = await start();
    const answer = await fetch(`${url}/models`);
    await answer.text();
    times.push(performance.now() - begun);
    await stop();
  }
  return median(times);
}

async function inWorker(directory, name, counts) {
  const log = [];
  const start = async () => {
    const worker = await startWorker({ packages: [directory], variables: { OPEN: "true", ADMIN_TOKEN }, rates: {}, log: (line) => log.push(line) });
    // The runtime has started and compiled the module by now; what is left is the object's own start.
    return { ...worker, begun: performance.now() };
  };
  const first_answer_ms = await firstAnswer(start);
  const worker = await start();
  const evaluations = () => log.filter((line) => line.includes('"evaluated"')).map((line) => JSON.parse(line).fields.milliseconds);
  const measured = await predictions(worker.url, name, evaluations, counts);
  const files = (await worker.files("keys/")).length;
  const under_load = await load(worker.url, name);
  const peak_bytes = await metric(worker.url, "edge_server_resident_bytes");
  await worker.stop();
  const { grown: loaded } = JSON.parse(log.find((line) => line.includes('"message":"memory"'))).fields;
  return { ...measured, ...under_load, files, first_answer_ms, loaded_bytes: loaded, peak_bytes };
}

async function inNative(directory, name, counts) {
  const models = await mkdtemp(join(tmpdir(), "models-"));
  try {
    await symlink(directory, join(models, name));
    const start = async () => {
      const begun = performance.now();
      return { ...(await startServer({ models })), begun };
    };
    const first_answer_ms = await firstAnswer(start);
    const server = await start();
    const evaluations = () => server.log.flatMap((line) => (line.includes(" evaluated ") ? [Number(/milliseconds=([\d.]+)/.exec(line)[1])] : []));
    const measured = await predictions(server.url, name, evaluations, counts);
    const under_load = await load(server.url, name);
    await server.stop();
    return { ...measured, ...under_load, first_answer_ms };
  } finally {
    await rm(models, { recursive: true, force: true });
  }
}

const asked = process.argv.slice(2);
for (const directory of [...SHIPPED, ...LARGE, ...SEARCH]) {
  const name = basename(dirname(directory));
  if (asked.length > 0 && !asked.includes(name)) continue;
  const counts = LARGE.includes(directory) ? [WARM_LARGE, RUNS_LARGE] : [WARM, RUNS];
  console.log(JSON.stringify({ model: name, worker: await inWorker(directory, name, counts), native: await inNative(directory, name, counts) }));
}

const parts = (await readdir(SCRIPT, { recursive: true })).filter((name) => /\.(js|wasm)$/.test(name));
const files = await Promise.all(parts.map((name) => readFile(join(SCRIPT, name))));
const module = files.find((bytes) => bytes.subarray(0, 4).toString("latin1") === "\0asm");
const compilations = [];
for (let i = 0; i < STARTS; i += 1) {
  const begun = performance.now();
  await WebAssembly.compile(module);
  compilations.push(performance.now() - begun);
}
const sum = (values) => values.reduce((total, value) => total + value, 0);
console.log(JSON.stringify({ bytes: sum(files.map(({ length }) => length)), compressed_bytes: sum(files.map((bytes) => gzipSync(bytes).length)), compile_ms: median(compilations) }));
