// What the page keeps of answers: how long they were, and no more of them than the package reads.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { connect } from "encrypted-inference";

import { Traffic } from "../../www/src/traffic.js";

const CHUNK = Buffer.alloc(1 << 20, " ");

/** `/short` has an end, `/broken` breaks off, `/empty` has no body; everything else goes on for ever. */
const answers = {
  "/short": (response) => response.end("12345"),
  "/empty": (response) => response.writeHead(204).end(),
  "/broken": (response) => response.write("12345", () => response.destroy()),
};

let server;
let url;
let sent = 0;
let seen;
let traffic;

before(async () => {
  server = createServer((request, response) => {
    const endless = () => {
      while (!response.destroyed && response.write(CHUNK)) sent += CHUNK.length;
      response.once("drain", endless);
    };
    (answers[request.url] ?? endless)(response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${server.address().port}`;
  globalThis.location = new URL(url);
  seen = [];
  traffic = new Traffic(({ path, ended }) => ended !== undefined && seen.push(path));
});
after(() => {
  server.closeAllConnections();
  server.close();
});

const ask = (path) => traffic.fetch(url + path, { method: "GET", headers: {} });
const last = () => traffic.requests.at(-1);

test("an answer is counted as it is read", async () => {
  assert.equal(await (await ask("/short")).text(), "12345");
  assert.deepEqual([last().status, last().received, seen.at(-1)], [200, 5, "/short"]);
  assert.equal((await ask("/empty")).status, 204);
  assert.deepEqual([last().status, last().received, seen.at(-1)], [204, 0, "/empty"]);
});

test("an answer that breaks off is told", async () => {
  await assert.rejects(ask("/broken").then((response) => response.text()));
  assert.deepEqual([last().failed, seen.at(-1)], [true, "/broken"]);
});

test("of an answer without an end no more is taken than the package reads", { timeout: 30_000 }, async () => {
  await assert.rejects(connect(url, { fetch: traffic.fetch, retries: 0 }), { code: "UNEXPECTED_ANSWER" });
  const { received } = traffic.requests.slice(-2).find(({ ended }) => ended !== undefined);
  assert.ok(received > 2 ** 24 && received < 2 ** 24 + 2 ** 22, `${received} bytes`);
  assert.ok(sent < 2 ** 27, `${sent} bytes sent`);
});
