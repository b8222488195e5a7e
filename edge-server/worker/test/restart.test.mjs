// The isolate ends in the middle of a job: what was accepted completes, and gives the same bytes.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

import { connect } from "encrypted-inference";

import { startWorker } from "../local/worker.mjs";
import { QUESTIONS, packageOf } from "./support.mjs";

const MODEL = "mnist_cnn";
const REQUESTS = 8;
/** Times that it is ended; once would do if it always hit an evaluation. */
const KILLS = 5;

let data;
before(async () => {
  data = await mkdtemp(join(tmpdir(), "worker-"));
});
after(() => rm(data, { recursive: true, force: true }));

const variables = { OPEN: "true", LEASE: "1" };
const packages = [packageOf(MODEL)];

/** Ends the runtime that this process has started, without a chance to finish anything. */
async function killRuntime() {
  const { stdout } = await promisify(execFile)("ps", ["-A", "-o", "pid=,ppid=,comm="]);
  const rows = stdout.trim().split("\n").map((line) => line.trim().split(/\s+/));
  const own = rows.filter(([, parent, name]) => Number(parent) === process.pid && name.endsWith("workerd"));
  assert.equal(own.length, 1, "one runtime");
  process.kill(Number(own[0][0]), "SIGKILL");
}

/** What the client sends when it asks, to be sent again. */
async function recordedInference(url) {
  let inference;
  const recorder = async (address, init) => {
    if (init?.method === "POST" && new URL(address).pathname === "/infer") inference = init;
    return fetch(address, init);
  };
  const model = await (await connect(url, { fetch: recorder })).model(MODEL);
  const [{ input, isRight }] = QUESTIONS[MODEL];
  assert.ok(isRight((await model.predict(input)).values));
  await model.close();
  const headers = Object.fromEntries(new Headers(inference.headers));
  for (const name of ["prefer", "idempotency-key"]) delete headers[name];
  return { method: "POST", headers: { ...headers, accept: "application/json" }, body: inference.body };
}

async function finished(url, id) {
  for (let tries = 0; tries < 600; tries += 1) {
    const answer = await fetch(`${url}/jobs/${id}`, { headers: { accept: "application/json" } });
    const job = await answer.json();
    assert.ok(answer.ok, JSON.stringify(job));
    if (job.status === "completed" || job.status === "failed") return job;
    await sleep(50);
  }
  throw new Error(`job ${id} does not end`);
}

test("jobs that were accepted complete after the isolate was ended in the middle, with the same bytes", async () => {
  const log = [];
  const start = () => startWorker({ packages, variables, data, log: (line) => log.push(line) });
  let worker = await start();
  const inference = await recordedInference(worker.url);
  const first = await fetch(`${worker.url}/infer`, inference);
  const expected = (await finished(worker.url, (await first.json()).job_id)).result.payload;
  const interrupted = () => log.filter((line) => line.includes("unfinished jobs run again")).length;
  for (let kills = 0; kills < KILLS && interrupted() === 0; kills += 1) {
    const answers = await Promise.all(Array.from({ length: REQUESTS }, () => fetch(`${worker.url}/infer`, inference)));
    await killRuntime();
    const accepted = answers.filter(({ status }) => status === 202);
    const ids = await Promise.all(accepted.map(async (answer) => (await answer.json()).job_id));
    assert.ok(ids.length > 1, `${ids.length} of ${REQUESTS} were accepted`);
    await worker.stop();
    worker = await start();
    for (const id of ids) {
      const { status, result } = await finished(worker.url, id);
      assert.equal(status, "completed");
      assert.equal(result.payload, expected);
    }
  }
  await worker.stop();
  assert.ok(interrupted() > 0, "a job was being evaluated when the isolate ended");
});
