// What the object's alarm does, with nobody asking.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { startWorker } from "../local/worker.mjs";
import { finished, killRuntime, logged, packageOf, recordedInference } from "./support.mjs";

const REQUESTS = 8;
/** Times that the isolate is ended; once would do if jobs were always left. */
const KILLS = 5;
const json = { headers: { accept: "application/json" } };

let data;
before(async () => {
  data = await mkdtemp(join(tmpdir(), "worker-"));
});
after(() => rm(data, { recursive: true, force: true }));

test("jobs whose isolate has ended are finished although nobody asks for them", async () => {
  const packages = [packageOf("mnist_cnn")];
  const log = [];
  const start = () => startWorker({ packages, variables: { OPEN: "true", LEASE: "1" }, data, page: false, log: (line) => log.push(line) });
  let worker = await start();
  const inference = await recordedInference(worker.url, "mnist_cnn");
  const ask = () => fetch(`${worker.url}/infer`, inference);
  const first = await (await ask()).json();
  const expected = (await finished(worker.url, first.job_id)).result.payload;
  const count = (text) => log.filter((line) => line.includes(text)).length;
  const evaluated = () => count('"evaluated"');
  const answered = () => count('"answered"');
  let accepted = 2;
  let ids = [];
  let left = 0;
  try {
    for (let kills = 0; kills < KILLS && left <= 0; kills += 1) {
      const answers = await Promise.all(Array.from({ length: REQUESTS }, ask));
      await killRuntime();
      ids = (await Promise.all(answers.map((answer) => answer.json()))).map(({ job_id: id }) => id);
      accepted += ids.length;
      await worker.stop();
      left = accepted - evaluated();
      const asked = answered();
      worker = await start();
      // The line of one that was just finished may have ended with the isolate.
      await logged(log, '"evaluated"', accepted - kills - 1);
      while (evaluated() < accepted && (await isGoing(evaluated))) {}
      assert.equal(answered(), asked, "nobody has asked");
    }
    assert.ok(left > 0, "jobs were left when the isolate ended");
    for (const id of ids) {
      const { status, result } = await (await fetch(`${worker.url}/jobs/${id}`, json)).json();
      assert.equal(status, "completed", "by the time that somebody asks");
      assert.equal(result.payload, expected);
    }
  } finally {
    await worker.stop();
  }
});

/** Whether a count rises within two leases. */
async function isGoing(count) {
  const before = count();
  for (let tries = 0; tries < 40; tries += 1) {
    await sleep(50);
    if (count() > before) return true;
  }
  return false;
}

test("what has been kept long enough is forgotten although nobody asks", async () => {
  const log = [];
  const variables = { OPEN: "true", LEASE: "4", KEEP_RESULTS: "0", KEEP_KEYS: "0" };
  const packages = [packageOf("breast_cancer_logistic")];
  const worker = await startWorker({ packages, variables, page: false, log: (line) => log.push(line) });
  try {
    const inference = await recordedInference(worker.url, "breast_cancer_logistic");
    const accepted = await (await fetch(`${worker.url}/infer`, inference)).json();
    assert.ok((await worker.files("keys/")).length > 0, "the keys are in the bucket");
    await logged(log, '"forgotten"');
    const forgotten = JSON.parse(log.find((line) => line.includes('"forgotten"'))).fields;
    assert.deepEqual([forgotten.jobs, forgotten.key_sets], [2, 1]);
    assert.deepEqual(await worker.files("keys/"), []);
    const job = await fetch(`${worker.url}/jobs/${accepted.job_id}`, json);
    assert.equal((await job.json()).code, "UNKNOWN_JOB");
  } finally {
    await worker.stop();
  }
});
