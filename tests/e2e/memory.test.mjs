// A thousand predictions over HTTP leave nothing behind, here and on the server. Run with `--expose-gc`.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { connect } from "encrypted-inference";

import { patients } from "./plain.mjs";
import { startServer } from "./server.mjs";

const PREDICTIONS = 1000;
/** A ciphertext that stays with each prediction would be 27 MB, one object of a kilobyte half of this. */
const MOST_HERE = 2e6;
/** The server keeps results for a while, on disk. */
const MOST_THERE = 40e6;

const agent = new Agent({ keepAlive: true });

/** As much of `fetch` as the package uses: Node's own keeps half a kilobyte of each request for itself (20.20). */
function fetchByHttp(url, { method, headers, body }) {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent }, (answer) => {
      const chunks = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("end", () => resolve(new Response(Buffer.concat(chunks), { status: answer.statusCode, headers: Object.entries(answer.headers) })));
      answer.on("error", reject);
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

/** Bytes that are reachable: objects, and what is outside of the heap, as WebAssembly's memory is. */
async function held() {
  for (let i = 0; i < 3; i += 1) {
    globalThis.gc();
    await pause(20);
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Resident bytes of a process, where the system tells. */
async function resident(pid) {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
}

let server;
before(async () => {
  server = await startServer();
});
after(() => {
  agent.destroy();
  return server?.stop();
});

test("a thousand predictions leave nothing behind", async () => {
  const model = await (await connect(server.url, { fetch: fetchByHttp })).model("breast_cancer_logistic");
  const predict = async (count) => {
    for (let i = 0; i < count; i += 1) await model.predict(patients[i % patients.length].values);
  };
  await predict(PREDICTIONS / 4);
  const before = [await held(), await resident(server.pid)];
  await predict(PREDICTIONS);
  const [here, there] = [(await held()) - before[0], (await resident(server.pid)) - before[1]];
  await model.close();
  assert.ok(here < MOST_HERE, `${here} bytes more in this process`);
  assert.ok(there < MOST_THERE, `${there} bytes more in the server`);
});
