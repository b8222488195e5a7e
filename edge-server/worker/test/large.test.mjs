// Models whose diagonals and keys do not fit an isolate, each by itself: they are held in less memory, and answer right.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { connect } from "encrypted-inference";

import { startWorker } from "../local/worker.mjs";
import { ADMIN_TOKEN, MODULE_BYTES, QUESTIONS, finished, killRuntime, metric, packageOf, recordedInference } from "./support.mjs";

/** How each is held. */
const HELD = {
  wine_mlp: { factors: "Ahead", keys: "OneAtATime" },
  gunpoint_cnn: { factors: "AsUsed", keys: "OneAtATime" },
  fashion_resnet: { factors: "AsUsed", keys: "OneAtATime" },
  mnist_lenet: { factors: "AsUsed", keys: "OneAtATime" },
};
const variables = { OPEN: "true", ADMIN_TOKEN };

for (const [name, { factors, keys }] of Object.entries(HELD)) {
  test(`${name} answers as the plain model does, within the memory of an isolate`, async () => {
    const log = [];
    const worker = await startWorker({ packages: [packageOf(name)], variables, page: false, log: (line) => log.push(line) });
    try {
      const model = await (await connect(worker.url)).model(name);
      await model.prepareKeys();
      for (const { input, isRight } of QUESTIONS[name]) {
        const { values } = await model.predict(input);
        assert.ok(isRight(values), `${values}`);
      }
      const of = (text) => log.filter((line) => line.includes(text)).map((line) => JSON.parse(line).fields);
      assert.deepEqual(of('"held in less memory').map(({ factors, keys }) => ({ factors, keys })), [{ factors, keys }]);
      const stored = (await worker.files("keys/")).length;
      assert.ok(stored > 5, `${stored} keys`);
      assert.deepEqual(of('"keys copied').map(({ files }) => files), [stored], "all of them, once");
      const bytes = await metric(worker.url, "edge_server_resident_bytes");
      assert.ok(bytes > 2 ** 20 && bytes <= MODULE_BYTES, `${bytes} bytes`);
      await model.close();
    } finally {
      await worker.stop();
    }
  });
}

test("keys that were copied are there after the isolate has ended", async () => {
  const data = await mkdtemp(join(tmpdir(), "worker-"));
  const log = [];
  const start = () => startWorker({ packages: [packageOf("wine_mlp")], variables, data, page: false, log: (line) => log.push(line) });
  const copied = () => log.filter((line) => line.includes('"keys copied')).length;
  let worker = await start();
  try {
    const inference = await recordedInference(worker.url, "wine_mlp");
    const infer = async () => finished(worker.url, (await (await fetch(`${worker.url}/infer`, inference)).json()).job_id);
    const { result } = await infer();
    assert.equal(copied(), 1);
    await killRuntime();
    await worker.stop();
    worker = await start();
    assert.deepEqual((await infer()).result, result);
    assert.equal(copied(), 1, "they were there");
  } finally {
    await worker.stop();
    await rm(data, { recursive: true, force: true });
  }
});
