// The isolate ends in the middle of a job: what was accepted completes, and gives the same bytes.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { startWorker } from "../local/worker.mjs";
import { finished, killRuntime, packageOf, recordedInference } from "./support.mjs";

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

test("jobs that were accepted complete after the isolate was ended in the middle, with the same bytes", async () => {
  const log = [];
  const start = () => startWorker({ packages, variables, data, log: (line) => log.push(line) });
  let worker = await start();
  const inference = await recordedInference(worker.url, MODEL);
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
