// A server, or whoever is on the way to it, that wants more than its due.

import assert from "node:assert/strict";
import { test } from "node:test";

import { connect } from "encrypted-inference";
import { decode } from "cborg";
import { MODEL, answer, fakeServer } from "./support.mjs";

const INPUT = [1, 2, 3, 4];
const JOB = "9b2e61e27c3d4f0aa51a4bde32a1c6f0";
const open = async (server, options) => (await connect("https://server.test", { fetch: server.fetch, retries: 0, ...options })).model("sum");

/** Names that would lead to another path of the same server. */
const ELSEWHERE = ["../../other?all#", "..", "%2e%2e", `${JOB}/../x`, `${JOB}\n`, JOB.toUpperCase(), "", "9b2e"];

test("a key set or job with a name that is none leads nowhere", async () => {
  for (const name of ELSEWHERE) {
    const keySet = { key_id: name, keys: [], missing: [] };
    const opens = fakeServer(({ method, path }) => (method === "POST" && path === "/keys" ? answer(201, keySet) : undefined));
    const model = await open(opens);
    await assert.rejects(model.prepareKeys(), { code: "INVALID_ANSWER" }, name);
    await model.forget();
    const runs = fakeServer(({ path }) => (path === "/infer" ? answer(202, { job_id: name, status: "accepted" }) : undefined));
    await assert.rejects((await open(runs)).predict(INPUT), { code: "INVALID_ANSWER" }, name);
    for (const { path } of [...opens.log, ...runs.log]) {
      assert.match(path, /^\/(?:models|infer|keys(?:\/[0-9a-f]{32}(?:\/galois-\d+)?)?)$/, name);
    }
  }
});

test("exported keys with such a name are refused", async () => {
  const { encode } = await import("cborg");
  const server = fakeServer();
  const api = await connect("https://server.test", { fetch: server.fetch });
  const bundle = decode(await (await api.model("sum")).exportKeys());
  for (const key_id of [...ELSEWHERE, 7]) {
    await assert.rejects(api.model("sum", { keys: encode({ ...bundle, key_id }) }), { code: "INVALID_KEYS" }, String(key_id));
  }
});

/** An answer without an end, which counts what is taken of it. */
function endless() {
  const taken = { bytes: 0, isGivenUp: false };
  const pull = (controller) => {
    const chunk = new Uint8Array(2 ** 20);
    taken.bytes += chunk.length;
    controller.enqueue(chunk);
  };
  const body = new ReadableStream({ pull, cancel: () => void (taken.isGivenUp = true) });
  return { taken, response: new Response(body, { headers: { "content-type": "application/cbor" } }) };
}

test("an answer without an end is given up: of an offer, of a result, whatever size is announced", async () => {
  const offer = endless();
  await assert.rejects(open({ fetch: async (url) => (url.endsWith("/models") ? offer.response : answer(200, { parameter_sets: [] })) }), {
    code: "UNEXPECTED_ANSWER",
    message: /longer than 16777216 bytes/,
  });
  assert.ok(offer.taken.isGivenUp && offer.taken.bytes < 20 * 2 ** 20, `${offer.taken.bytes}`);

  for (const [result_bytes, most] of [[28_724, 4], [Number.MAX_SAFE_INTEGER, 68], ["many", 4], [-1e9, 4], [undefined, 4]]) {
    const late = endless();
    const server = fakeServer(({ path }) => {
      if (path === "/models") return answer(200, { api_version: "1.1", models: [{ ...MODEL, sizes: { result_bytes } }] });
      return path === "/infer" ? late.response : undefined;
    });
    await assert.rejects((await open(server)).predict(INPUT), { code: "UNEXPECTED_ANSWER", message: /longer than \d+ bytes/ });
    assert.ok(late.taken.isGivenUp && late.taken.bytes <= most * 2 ** 20, `${result_bytes}: ${late.taken.bytes}`);
  }
});

test("a token does not travel over plain HTTP, but for this machine or when told", async () => {
  const seen = [];
  const fetch = async (url, init) => {
    seen.push(init.headers.authorization);
    return fakeServer().fetch(`https://server.test${new URL(url).pathname}`, init);
  };
  const token = "secret";
  for (const url of ["http://server.test", "http://127.0.0.1.server.test", "http://localhost.server.test", "HTTP://10.0.0.1:80/", "http://[::2]", "http://notlocalhost"]) {
    await assert.rejects(connect(url, { fetch, token }), { code: "INSECURE", message: /plain HTTP/ }, url);
    assert.equal(seen.length, 0, url);
    await connect(url, { fetch });
    assert.deepEqual(seen.splice(0), [undefined, undefined], url);
  }
  for (const url of ["https://server.test", "http://localhost:8080", "http://127.0.0.1", "http://127.1.2.3:1", "http://[::1]:1", "http://page.localhost"]) {
    await connect(url, { fetch, token });
    assert.deepEqual(seen.splice(0), ["Bearer secret", "Bearer secret"], url);
  }
  await connect("http://server.test", { fetch, token, allowInsecure: true });
  assert.equal(seen.length, 2);
});

test("of an exported key no copy is left in memory", async (t) => {
  const model = await open(fakeServer());
  const written = [];
  const { concat } = Buffer;
  t.after(() => (Buffer.concat = concat));
  // What the CBOR writer makes its bytes with in Node.
  Buffer.concat = (...words) => {
    written.push(concat(...words));
    return written.at(-1);
  };
  const keys = await model.exportKeys();
  const secret = decode(keys).secret.subarray(52, 84);
  assert.ok(secret.some((byte) => byte !== 0) && written.length > 0);
  for (const bytes of written) assert.equal(bytes.indexOf(secret), -1);
});
