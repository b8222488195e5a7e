import assert from "node:assert/strict";
import { test } from "node:test";

import { EncryptedInferenceError, connect } from "encrypted-inference";
import { MODEL, PARAMETERS, answer, fakeServer, problem } from "./support.mjs";

const api = (intercept, options) => connect("https://server.test", { fetch: fakeServer(intercept).fetch, ...options });

test("the newest version is taken unless one is asked for", async () => {
  const server = await api();
  assert.equal((await server.model("sum")).info.version, "1.10.0");
  assert.equal((await server.model("sum", { version: "1.2.0" })).info.version, "1.2.0");
});

test("an unknown model is named with those there are", async () => {
  await assert.rejects((await api()).model("other"), {
    code: "UNKNOWN_MODEL",
    message: "The server has no model other; it has sum 1.2.0, sum 1.10.0. `api.models` lists what the server offers.",
  });
});

test("parameters that do not hash to their name are refused", async () => {
  const forged = { ...PARAMETERS, scale: 2 ** 27 };
  const server = await api(({ path }) => (path === "/keys" ? answer(200, { parameter_sets: [forged] }) : undefined));
  await assert.rejects(server.model("sum"), { code: "PARAMS_ID_MISMATCH" });
});

test("insecure parameters are refused", async () => {
  const forged = { ...PARAMETERS, log_degree: 11 };
  const server = await api(({ path }) => (path === "/keys" ? answer(200, { parameter_sets: [forged] }) : undefined));
  await assert.rejects(server.model("sum"), { code: "UNACCEPTABLE_PARAMETERS" });
});

test("a description that is none is refused", async () => {
  const { layout, ...input } = MODEL.input;
  const models = [{ ...MODEL, input }];
  const server = await api(({ path }) => (path === "/models" ? answer(200, { api_version: "1.1", models }) : undefined));
  await assert.rejects(server.model("sum"), { code: "INVALID_MODEL" });
});

test("the token goes with every request", async () => {
  const headers = [];
  await api((request) => void headers.push(request.headers.authorization), { token: "secret" });
  assert.deepEqual(headers, ["Bearer secret", "Bearer secret"]);
});

test("a problem becomes an error with its code", async () => {
  const refused = api(() => problem(401, "UNAUTHORIZED"));
  await assert.rejects(refused, (error) => {
    assert.ok(error instanceof EncryptedInferenceError);
    assert.deepEqual([error.code, error.status, error.retryable], ["UNAUTHORIZED", 401, false]);
    assert.equal(error.message, "it is UNAUTHORIZED. Pass a valid `token` to `connect`.");
    return true;
  });
});

test("what is no server of the protocol is told so", async () => {
  const page = () => new Response("<html>", { headers: { "content-type": "text/html" } });
  await assert.rejects(api(page), { code: "UNEXPECTED_ANSWER" });
  await assert.rejects(api(() => answer(200, { api_version: "2.0", models: [] })), { code: "UNEXPECTED_ANSWER" });
  const broken = () => new Response("{", { headers: { "content-type": "application/json" } });
  await assert.rejects(api(broken), { code: "UNEXPECTED_ANSWER" });
});

test("a server that cannot be reached is a failure of the network", async () => {
  const down = () => {
    throw new TypeError("fetch failed");
  };
  await assert.rejects(api(down, { retries: 1 }), { code: "NETWORK", retryable: true });
});

test("a server that never answers is given up", async () => {
  const silent = ({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  await assert.rejects(api(silent, { timeout: 20, retries: 0 }), { code: "NETWORK", message: /does not answer/ });
});

test("a Worker that another library defines in Node is left alone", async () => {
  globalThis.Worker = class {
    constructor() {
      assert.fail("the client of Node works in its own thread");
    }
  };
  try {
    const api = await connect("https://server.test", { fetch: fakeServer().fetch });
    await (await api.model("sum")).close();
  } finally {
    delete globalThis.Worker;
  }
});
