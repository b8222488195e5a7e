// A bucket that is slow to take keys, or never does.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { startWorker } from "../local/worker.mjs";
import { ADMIN_TOKEN, fields, logged, metric, packageOf, recordedKeys, signal } from "./support.mjs";

const MODEL = "mnist_cnn";
/** Bytes of keys that are on their way at most, and of those that are late besides; see src/store/bucket.rs. */
const [UNDER_WAY, OVERDUE] = [4 * 2 ** 20, 4 * 2 ** 20];
/** Milliseconds for which the bucket is waited for, and what may come on top. */
const [PATIENCE, SLACK] = [10_000, 8_000];

/** Bodies of the longest kind that the module has room for, see src/memory.rs. */
const BODIES = 12;

const lengthOf = (keys) => keys.reduce((sum, [, key]) => sum + key.length, 0);

/** A Worker whose bucket takes no key while it is closed, its keys, and a set that has none of them yet. */
async function gatedWorker() {
  const log = [];
  const most = { underWay: 0 };
  let closed;
  const putGate = async (_, underWay) => {
    most.underWay = Math.max(most.underWay, underWay);
    await closed?.promise;
  };
  const variables = { OPEN: "true", ADMIN_TOKEN };
  const worker = await startWorker({ packages: [packageOf(MODEL)], variables, page: false, putGate, log: (line) => log.push(line) });
  try {
    const keys = [...(await recordedKeys(worker.url, MODEL))].sort(([, one], [, other]) => other.length - one.length);
    const { models } = await (await fetch(`${worker.url}/models`)).json();
    const [{ model_id, version }] = models;
    const headers = { "content-type": "application/json", accept: "application/json" };
    const body = JSON.stringify({ model_id, version });
    const { key_id: set } = await (await fetch(`${worker.url}/keys`, { method: "POST", headers, body })).json();
    /** What a key is answered, and after how many milliseconds. */
    const put = async ([name, body]) => {
      const begun = performance.now();
      const answer = await fetch(`${worker.url}/keys/${set}/${name}`, {
        method: "PUT",
        headers: { "content-type": "application/octet-stream", accept: "application/json" },
        body,
      });
      const { code } = await answer.json();
      return { status: answer.status, code, retryAfter: answer.headers.get("retry-after"), took: performance.now() - begun };
    };
    const close = () => {
      const own = signal();
      closed = own;
      return own.resolve;
    };
    const open = () => (closed = undefined);
    most.underWay = 0;
    return { worker, log, most, keys, set, put, close, open };
  } catch (error) {
    await worker.stop();
    throw error;
  }
}

/** Asserts that the keys of a set that are in the bucket are what their names say, and counts them. */
async function wholeKeys(worker, set) {
  const paths = await worker.files(`keys/${set}/`);
  for (const path of paths) {
    const hash = createHash("sha256").update(await worker.read(path)).digest("hex");
    assert.equal(hash, path.split("/").pop());
  }
  return paths.length;
}

test("keys on their way into a slow bucket have 4 MiB of JavaScript's memory, and further ones wait in the module's", async () => {
  const { worker, most, keys, set, put, close } = await gatedWorker();
  try {
    const open = close();
    const many = keys.slice(0, BODIES);
    const total = lengthOf(many);
    assert.ok(total > 1.5 * UNDER_WAY, `${total} bytes`);
    let answered = 0;
    const answers = Promise.all(many.map((key) => put(key).finally(() => (answered += 1))));
    // If the test ends before them, nobody minds.
    answers.catch(() => undefined);
    while ((await metric(worker.url, "edge_server_body_bytes")) < total) await sleep(20);
    // Whoever does not wait for a turn is at the gate by then.
    await sleep(500);
    assert.ok(most.underWay > UNDER_WAY - keys[0][1].length && most.underWay <= UNDER_WAY, `${most.underWay} bytes`);
    assert.equal(answered, 0);
    open();
    for (const { status, code } of await answers) assert.deepEqual([status, code], [200, undefined]);
    assert.ok(most.underWay <= UNDER_WAY, `${most.underWay} bytes`);
    assert.equal(await wholeKeys(worker, set), many.length);
  } finally {
    await worker.stop();
  }
});

test("keys that the bucket never takes are answered in time, and keep neither others nor more than 4 MiB besides", async () => {
  const { worker, log, most, keys, set, put, close, open } = await gatedWorker();
  /** Asserts that the store has failed it when patience was over. */
  const isLate = ({ status, code, retryAfter, took }) => {
    assert.deepEqual([status, code], [503, "STORE_UNAVAILABLE"]);
    assert.ok(Number(retryAfter) >= 1, retryAfter);
    assert.ok(took >= PATIENCE && took < PATIENCE + SLACK, `${took} ms`);
  };
  try {
    // As many as go at once: one more of the longest has no room beside them.
    const count = keys.findIndex((_, at) => lengthOf(keys.slice(0, at + 1)) > UNDER_WAY);
    const crowd = keys.slice(0, count);
    const releases = [close()];
    (await Promise.all(crowd.map(put))).forEach(isLate);
    open();
    const { status, took } = await put(crowd[0]);
    assert.equal(status, 200);
    assert.ok(took < PATIENCE, `${took} ms`);

    // Now there is no more room for late ones: these keep their turns, and who waits for one hears of it.
    releases.push(close());
    const late = [...crowd.slice(1), keys[count]];
    const refused = [...late, keys[count + 1]];
    (await Promise.all(refused.map(put))).forEach(isLate);
    assert.equal(fields(log, '"the store failed"').filter(({ reason }) => reason.includes("others kept")).length, 1);
    assert.ok(most.underWay > UNDER_WAY && most.underWay <= UNDER_WAY + OVERDUE, `${most.underWay} bytes`);

    // The bucket takes all of them in the end, as they were.
    open();
    releases.forEach((release) => release());
    await logged(log, '"the bucket has answered after its time"', crowd.length + late.length);
    // Which one was refused its turn depends on who came last.
    assert.ok((await wholeKeys(worker, set)) > crowd.length);
    for (const { status } of await Promise.all(refused.map(put))) assert.equal(status, 200);
    assert.equal(await wholeKeys(worker, set), count + 2);
  } finally {
    await worker.stop();
  }
});
