// A bucket that does not give keys when it is asked for them.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { startWorker } from "../local/worker.mjs";
import { fields, finished, killRuntime, logged, packageOf, recordedInference, signal } from "./support.mjs";

const MODEL = "breast_cancer_logistic";
const json = { headers: { accept: "application/json" } };

const accepted = async (url, inference) => (await (await fetch(`${url}/infer`, inference)).json()).job_id;

test("a job whose keys the bucket does not give stops no other, and ends in its time although nobody asks", async () => {
  const data = await mkdtemp(join(tmpdir(), "worker-"));
  const log = [];
  let away;
  const gate = async (path) => {
    if (away && path.startsWith(`keys/${away}/`)) throw new Error("away");
  };
  const start = (variables = {}) =>
    startWorker({ packages: [packageOf(MODEL)], variables: { OPEN: "true", ...variables }, data, page: false, gate, log: (line) => log.push(line) });
  /** Waits until the next job is over, with nobody asking. */
  const next = async (ended) => {
    const asked = fields(log, '"answered"').length;
    await logged(log, '"evaluated"', ended + 1);
    assert.equal(fields(log, '"answered"').length, asked, "nobody has asked");
  };
  let worker = await start();
  try {
    const failing = await recordedInference(worker.url, MODEL, { isSent: false });
    const [, set] = (await worker.files("keys/"))[0].split("/");
    const other = await recordedInference(worker.url, MODEL);
    away = set;
    let id = await accepted(worker.url, failing);
    assert.equal((await finished(worker.url, await accepted(worker.url, other))).status, "completed");
    await logged(log, '"put off', 3);
    const waits = fields(log, '"put off').map(({ failures, milliseconds }) => [failures, milliseconds]);
    assert.deepEqual(waits.slice(0, 3), [[1, 250], [2, 500], [3, 1000]]);
    const waiting = await (await fetch(`${worker.url}/jobs/${id}`, json)).json();
    assert.equal(waiting.status, "running");
    const ended = fields(log, '"evaluated"').length;
    away = undefined;
    await next(ended);
    const { result } = await finished(worker.url, id);
    assert.ok(result.payload.length > 1000);

    // The isolate ends while a job waits for its time. Prepared keys go with it.
    await worker.stop();
    away = set;
    worker = await start();
    const tries = fields(log, '"put off').length;
    id = await accepted(worker.url, failing);
    await logged(log, '"put off', tries + 3);
    await killRuntime();
    await worker.stop();
    away = undefined;
    worker = await start();
    await next(ended + 1);
    assert.deepEqual((await finished(worker.url, id)).result, result);
    assert.deepEqual(fields(log, '"runs again"'), [], "no start was lost");

    // The bucket never gives them.
    await worker.stop();
    away = set;
    worker = await start({ JOB_TIME: "2" });
    id = await accepted(worker.url, failing);
    await next(ended + 2);
    const { status, error } = await finished(worker.url, id);
    assert.deepEqual([status, error.code], ["failed", "DEADLINE_EXCEEDED"]);
  } finally {
    await worker.stop();
    await rm(data, { recursive: true, force: true });
  }
});

test("somebody comes for a job that was put off, although the isolate ends that has taken it again", async () => {
  const data = await mkdtemp(join(tmpdir(), "worker-"));
  const log = [];
  const taken = signal();
  // Keys are away the first time, and the next time none comes until the isolate is gone.
  let gate = async () => {
    if (fields(log, '"put off').length === 0) throw new Error("away");
    taken.resolve();
    await new Promise(() => undefined);
  };
  const start = () =>
    startWorker({ packages: [packageOf(MODEL)], variables: { OPEN: "true", LEASE: "1" }, data, page: false, gate: (path) => gate(path), log: (line) => log.push(line) });
  let worker = await start();
  try {
    const id = await accepted(worker.url, await recordedInference(worker.url, MODEL, { isSent: false }));
    await taken.promise;
    await killRuntime();
    await worker.stop();
    gate = async () => undefined;
    worker = await start();
    const asked = fields(log, '"answered"').length;
    await logged(log, '"evaluated"');
    assert.equal(fields(log, '"answered"').length, asked, "nobody has asked");
    assert.equal((await finished(worker.url, id)).status, "completed");
  } finally {
    await worker.stop();
    await rm(data, { recursive: true, force: true });
  }
});

for (const [name, kept] of [[MODEL, "prepared"], ["wine_mlp", "copied"]]) {
  test(`a key set that is deleted while its keys are ${kept} is no failure of the bucket`, async () => {
    const log = [];
    const [asked, gone] = [signal(), signal()];
    const gate = async (path) => {
      asked.resolve(path);
      await gone.promise;
    };
    const worker = await startWorker({ packages: [packageOf(name)], variables: { OPEN: "true" }, page: false, gate, log: (line) => log.push(line) });
    try {
      const inference = await recordedInference(worker.url, name, { isSent: false });
      const id = await accepted(worker.url, inference);
      const [, set] = (await asked.promise).split("/");
      const deleted = await fetch(`${worker.url}/keys/${set}`, { method: "DELETE", ...json });
      assert.equal(deleted.status, 204);
      gone.resolve();
      const { status, error } = await finished(worker.url, id);
      assert.deepEqual([status, error.code], ["failed", "EVALUATION_FAILED"]);
      assert.match(error.detail, /was deleted before the job ran/);
      assert.deepEqual(fields(log, '"put off'), [], "it was found out the first time");
    } finally {
      await worker.stop();
    }
  });
}
