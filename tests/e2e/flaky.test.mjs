// Keys and predictions over a line that breaks off, loses answers and is slow.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { connect } from "encrypted-inference";

import { openBadLine } from "./flaky.mjs";
import { argmax, digits } from "./plain.mjs";
import { startServer } from "./server.mjs";

let server;
before(async () => {
  server = await startServer();
});
after(() => server?.stop());

const seed = Number(process.env.FLAKY_SEED ?? 2026);

test(`everything arrives, and nothing is done twice (seed ${seed})`, async () => {
  const line = await openBadLine(server.url, seed);
  try {
    const api = await connect(line.url, { timeout: 1000, retries: 12 });
    const model = await api.model("mnist_mlp");
    const report = await model.prepareKeys();
    assert.ok(report.made > 0);
    const asked = digits.slice(0, 8);
    let retries = 0;
    for (const { label, pixels } of asked) {
      const prediction = await model.predict(pixels);
      assert.equal(argmax(prediction.values), label);
      retries += prediction.retries;
    }
    await model.close();

    const { good, ...bad } = line.fates;
    assert.ok(Object.values(bad).reduce((sum, count) => sum + count, 0) >= 5, `the line was bad: ${JSON.stringify(line.fates)}`);
    assert.ok(retries > 0, "predictions were sent again");
    assert.equal(line.made("keys").size, 1, "one set of keys");
    assert.equal(line.made("jobs").size, asked.length, "one job for each prediction");
    // The server's own word for it: accepted, not answered from memory.
    const jobs = line.made("jobs");
    assert.equal(server.log.filter((text) => text.includes("accepted") && [...jobs].some((id) => text.includes(id))).length, asked.length);
  } finally {
    line.close();
  }
});
