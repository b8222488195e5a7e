import assert from "node:assert/strict";
import { test } from "node:test";

import { connect } from "encrypted-inference";
import { fakeServer, problem } from "./support.mjs";

/** A server that takes one token, and a `token` that knows which one is right by now. */
function guarded(right) {
  const state = { right, asked: 0 };
  const server = fakeServer(({ headers }) => (headers.authorization === `Bearer ${state.right}` ? undefined : problem(401, "UNAUTHORIZED")));
  const token = async () => {
    state.asked += 1;
    return state.right;
  };
  return { state, server, options: { fetch: server.fetch, token } };
}

test("a token is asked for again when the server refuses it, once for all requests", async () => {
  const { state, server, options } = guarded("first");
  const model = await (await connect("https://server.test", options)).model("sum");
  assert.equal(state.asked, 1, "two requests at once share it");
  state.right = "second";
  await model.prepareKeys();
  assert.equal(state.asked, 2);
  assert.equal(server.present.size, 2);
});

test("a new token that is refused too is the end", async () => {
  const { state, server, options } = guarded("right");
  let made = 0;
  await assert.rejects(connect("https://server.test", { ...options, token: () => `wrong ${(made += 1)}` }), { code: "UNAUTHORIZED" });
  assert.ok(server.log.length <= 4 && made <= 3, `${server.log.length} requests, ${made} tokens`);
  const before = server.log.length;
  await assert.rejects(connect("https://server.test", { ...options, token: () => "always the same" }), { code: "UNAUTHORIZED" });
  assert.equal(server.log.length - before, 2, "the same request is not sent again");
  assert.equal(state.asked, 0);
});

test("a function that gives no token is told", async () => {
  const { options } = guarded("right");
  const token = () => Promise.reject(new Error("signed out"));
  await assert.rejects(connect("https://server.test", { ...options, token }), { code: "TOKEN", message: /signed out/ });
});
