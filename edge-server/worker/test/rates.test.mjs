// The platform's rate limits, as miniflare counts them: in one place, exactly. Cloudflare counts in each of its
// locations, about.

import assert from "node:assert/strict";
import { test } from "node:test";

import { unstable_readConfig as readConfiguration } from "wrangler";

import { CONFIGURATION, startWorker } from "../local/worker.mjs";
import { packageOf } from "./support.mjs";

const PERIOD = 10;
const packages = [packageOf("breast_cancer_logistic")];
const counted = (limit) => ({ simple: { limit, period: PERIOD } });

/** Asks so often at once, and gives the answers, those that are passed on first. */
async function ask(url, times, headers = {}) {
  // The windows of the platform are of the clock; one must not end in between.
  const left = PERIOD * 1000 - (Date.now() % (PERIOD * 1000));
  if (left < 5000) await new Promise((resolve) => setTimeout(resolve, left));
  const answers = await Promise.all(Array.from({ length: times }, () => fetch(`${url}/models`, { headers })));
  return answers.sort((a, b) => a.status - b.status);
}

/** A name, made as long as a token has to be. */
const token = (name) => name.padEnd(64, "0");
const bearer = (name) => ({ authorization: `Bearer ${token(name)}` });

test("beyond the rate callers are told when to come back, each tenant and each address for itself", async () => {
  const rates = { TENANT_RATE: counted(3), ADDRESS_RATE: counted(2) };
  const worker = await startWorker({ packages, rates, variables: { TOKENS: ["alpha", "beta", "gamma"].map(token).join(" ") }, page: false });
  try {
    // Starting takes its time, in which a window may end.
    assert.equal((await fetch(`${worker.url}/models`, { headers: bearer("gamma") })).status, 200);
    const alpha = await ask(worker.url, 5, bearer("alpha"));
    assert.deepEqual(alpha.map(({ status }) => status), [200, 200, 200, 429, 429]);
    const refused = alpha.at(-1);
    assert.equal(refused.headers.get("retry-after"), String(PERIOD));
    assert.equal(refused.headers.get("content-type"), "application/problem+json");
    assert.equal(refused.headers.get("access-control-allow-origin"), "*");
    assert.match(refused.headers.get("x-request-id"), /^[\w.-]+$/);
    const { code, status, retryable } = await refused.json();
    assert.deepEqual({ code, status, retryable }, { code: "RATE_LIMITED", status: 429, retryable: true });

    const beta = await ask(worker.url, 1, bearer("beta"));
    assert.equal(beta[0].status, 200, "another tenant has his own");
    const wrong = await ask(worker.url, 4, bearer("wrong"));
    assert.deepEqual(wrong.map(({ status }) => status), [401, 401, 429, 429], "guesses count by address");
  } finally {
    await worker.stop();
  }
});

test("without the bindings nothing is counted", async () => {
  const worker = await startWorker({ packages, rates: {}, variables: { OPEN: "true" }, page: false });
  try {
    const answers = await ask(worker.url, 300);
    assert.ok(answers.every(({ status }) => status === 200));
  } finally {
    await worker.stop();
  }
});

test("wrangler.toml has the bindings, with the period that callers are told", () => {
  const { ratelimits } = readConfiguration({ config: CONFIGURATION });
  assert.deepEqual(ratelimits.map(({ name }) => name).sort(), ["ADDRESS_RATE", "TENANT_RATE"]);
  for (const { simple } of ratelimits) assert.equal(simple.period, PERIOD);
});
