// Many samples: in order, as they come, with what they weigh.

import assert from "node:assert/strict";
import { test } from "node:test";

import { connect } from "encrypted-inference";
import { MODEL, answer, bodyOf, completed, fakeServer, noise, problem, result } from "./support.mjs";

const SAMPLE = [1, 2, 3, 4];
const samples = (count) => new Array(count).fill(SAMPLE);

/** A model whose requests hold `together` samples, and a server that answers `/infer` as told. */
async function open(infer, together = 1) {
  const models = [{ ...MODEL, constraints: { ...MODEL.constraints, max_batch_size: together } }];
  const server = fakeServer(async (request, log) => {
    if (request.path === "/models") return answer(200, { api_version: "1.1", models });
    return request.path === "/infer" ? infer(request, log.filter(({ path }) => path === "/infer").length - 1) : undefined;
  });
  const api = await connect("https://server.test", { fetch: server.fetch, retries: 0 });
  const model = await api.model("sum");
  const requests = () => server.log.filter(({ path }) => path === "/infer").length;
  return { api, model, server, requests };
}
const right = () => completed(result(), { version: "1.2.0" });
const wrong = () => completed(result({ cut: 1 }), { version: "1.2.0" });
const soon = () => new Promise((resolve) => setTimeout(resolve, 5));
/** Waits for what should come soon. */
async function until(condition) {
  for (let i = 0; i < 500 && !condition(); i += 1) await soon();
  assert.ok(condition(), String(condition));
}

test("predictions come in order, whichever is answered first", async () => {
  const { model } = await open(async (_, i) => {
    await new Promise((resolve) => setTimeout(resolve, i === 0 ? 60 : 1));
    return right();
  });
  const indices = [];
  for await (const { index, values } of model.predictEach(samples(7))) {
    indices.push(index);
    assert.deepEqual(values, [0]);
  }
  assert.deepEqual(indices, [0, 1, 2, 3, 4, 5, 6]);
});

test("samples are taken as they are needed, from anything that gives them", async () => {
  const { model, requests } = await open(right, 2);
  let taken = 0;
  let returned = false;
  async function* source() {
    try {
      for (;;) {
        taken += 1;
        yield SAMPLE;
      }
    } finally {
      returned = true;
    }
  }
  let seen = 0;
  for await (const { index } of model.predictEach(source())) {
    assert.equal(index, seen);
    seen += 1;
    // Eight requests at most are ahead of the loop.
    assert.ok(taken <= seen + 2 * 9 + 2, `${taken} taken at ${seen}`);
    if (seen === 10) break;
  }
  for (let i = 0; i < 5; i += 1) await soon();
  assert.ok(returned);
  assert.ok(requests() <= 15, "the rest is not sent");
});

test("a prediction is given before the next sample is there", async () => {
  const { model } = await open(right);
  let given;
  async function* live() {
    yield SAMPLE;
    await new Promise((resolve) => (given = resolve));
    yield SAMPLE;
  }
  const predictions = model.predictEach(live());
  assert.equal((await predictions.next()).value.index, 0);
  given();
  assert.equal((await predictions.next()).value.index, 1);
  assert.equal((await predictions.next()).done, true);
});

test("a sample that is wrong ends it after what was before", async () => {
  const { model, requests } = await open(right);
  const seen = [];
  const loop = async () => {
    for await (const { index } of model.predictEach([SAMPLE, SAMPLE, [1], SAMPLE])) seen.push(index);
  };
  await assert.rejects(loop(), { code: "INPUT_DIMENSION" });
  assert.deepEqual(seen, [0, 1]);
  assert.equal(requests(), 2);
});

test("an answer that cannot be decrypted is told when everything else is there", async () => {
  const { model, requests } = await open((_, i) => (i === 1 ? wrong() : right()));
  const seen = [];
  const loop = async () => {
    for await (const { index, values, best, error } of model.predictEach(samples(5))) {
      seen.push([index, values[0].toFixed(1), best.label, error?.code]);
    }
  };
  await assert.rejects(loop(), { code: "INVALID_BYTES" });
  const unread = [1, "NaN", undefined, "INVALID_BYTES"];
  assert.deepEqual(seen, [0, 1, 2, 3, 4].map((index) => (index === 1 ? unread : [index, "0.0", "sum", undefined])));
  assert.equal(requests(), 5);
});

test("a loop over a source that never ends can be left although no answer can be decrypted", { timeout: 10_000 }, async () => {
  const { model, requests } = await open(wrong);
  let returned = false;
  function* endless() {
    try {
      for (;;) yield SAMPLE;
    } finally {
      returned = true;
    }
  }
  const codes = [];
  for await (const { index, error } of model.predictEach(endless())) {
    codes.push(error.code);
    if (index === 9) break;
  }
  assert.deepEqual(codes, new Array(10).fill("INVALID_BYTES"));
  for (let i = 0; i < 5; i += 1) await soon();
  assert.ok(returned);
  assert.ok(requests() <= 20, `${requests()} requests`);
});

test("leaving the loop gives up what is under way", { timeout: 10_000 }, async () => {
  let given = 0;
  const { model, requests } = await open(({ signal }, i) => {
    if (i === 0) return right();
    return new Promise((_, reject) => signal.addEventListener("abort", () => ((given += 1), reject(signal.reason))));
  });
  for await (const _ of model.predictEach(samples(5))) {
    await until(() => requests() >= 3);
    break;
  }
  await soon();
  assert.deepEqual([requests(), given], [3, 2]);
});

test("a caller gives up although the source has nothing to give", { timeout: 10_000 }, async () => {
  const { model } = await open(right);
  const controller = new AbortController();
  async function* live() {
    yield SAMPLE;
    await new Promise(() => undefined);
  }
  const seen = [];
  const loop = async () => {
    for await (const { index } of model.predictEach(live(), { signal: controller.signal })) {
      seen.push(index);
      setTimeout(() => controller.abort());
    }
  };
  await assert.rejects(loop(), { code: "ABORTED" });
  assert.deepEqual(seen, [0]);
});

test("a request that fails ends the others", async () => {
  let aborted = 0;
  const { model, requests } = await open(({ signal }, i) => {
    if (i === 0) return problem(409, "LEVEL_MISMATCH");
    return new Promise((_, reject) => signal.addEventListener("abort", () => ((aborted += 1), reject(signal.reason))));
  });
  await assert.rejects(model.predictBatch(samples(5)), { code: "LEVEL_MISMATCH" });
  await soon();
  assert.deepEqual([requests(), aborted], [2, 1]);
});

test("predictions of a batch hold no ciphertexts unless they are asked for", async () => {
  const { model } = await open(right);
  for (const prediction of await model.predictBatch(samples(2))) {
    assert.deepEqual(["sent", "received"].filter((name) => name in prediction), []);
  }
  for (const { sent, received } of await model.predictBatch(samples(2), { ciphertexts: true })) {
    assert.deepEqual([sent.length, sent[0].length, received.length], [1, 30292, result().length]);
  }
  assert.equal((await model.predict(SAMPLE)).received.length, result().length);
});

test("progress tells of keys, then of each step", async () => {
  const { model } = await open(right, 2);
  const seen = [];
  await model.predictBatch(samples(3), { onProgress: ({ step, done, total }) => seen.push(`${step} ${done}/${total}`) });
  assert.deepEqual(seen.slice(0, 3), ["keys 0/2", "keys 1/2", "keys 2/2"]);
  const steps = new Set(seen.slice(3));
  for (const step of ["encrypt", "infer", "decrypt"]) {
    assert.ok(steps.has(`${step} 0/3`), seen.join(", "));
    assert.ok(steps.has(`${step} 3/3`), seen.join(", "));
  }
  const one = [];
  await model.predict(SAMPLE, { onProgress: (progress) => one.push(progress) });
  assert.deepEqual(one.map(({ step, done }) => `${step} ${done}`), ["encrypt 0", "encrypt 1", "infer 0", "infer 1", "decrypt 0", "decrypt 1"]);
  assert.deepEqual(one.at(-1), { step: "decrypt", done: 1, total: 1, bytes: result().length });
  assert.ok(one[3].bytes > 30292 + result().length);
});

test("several samples are encrypted now, sent later, and decrypted together", async () => {
  const { api, model, server } = await open(() => completed(noise(), { version: "1.2.0" }), 2);
  await model.prepareKeys();
  const inputs = await model.encryptBatch(samples(3));
  const outputs = await Promise.all(inputs.map((input) => api.send(input)));
  assert.deepEqual(server.log.filter(({ path }) => path === "/infer").map((request) => bodyOf(request).batch_size), [2, undefined]);
  const decrypted = await Promise.all(outputs.map((output) => model.decryptBatch(output)));
  assert.deepEqual(decrypted.map(({ length }) => length), [2, 1]);
  await assert.rejects(model.decrypt(outputs[0]), { code: "BATCH_SIZE", advice: /decryptBatch/ });
  assert.deepEqual(await model.decrypt(outputs[1]), decrypted[1][0]);
});

test("a batch is decrypted when all of it is answered, so that decrypting delays no request", async () => {
  const { model, requests } = await open((_, i) => (i % 3 === 1 ? wrong() : right()));
  let answered = 0;
  const first = await new Promise((resolve, reject) => {
    const onProgress = ({ step, done }) => {
      if (step === "infer") answered = done;
      if (step === "decrypt") resolve([requests(), answered]);
    };
    model.predictBatch(samples(7), { onProgress }).then(() => reject(new Error("some answers are wrong")), () => undefined);
  });
  assert.deepEqual(first, [7, 7]);
});

test("a batch that fails lets its keys go", { timeout: 10_000 }, async () => {
  const { model, server } = await open(async (_, i) => {
    if (i === 2) return problem(409, "LEVEL_MISMATCH");
    // One is answered when the batch has failed already.
    if (i === 3) await new Promise((resolve) => setTimeout(resolve, 30));
    return right();
  });
  await assert.rejects(model.predictBatch(samples(9)), { code: "LEVEL_MISMATCH" });
  // A rotation waits for everything that needs the old keys.
  await model.rotateKeys();
  assert.equal(server.log.at(-1).method, "DELETE");
});

test("a loop that is slow has eight requests ahead of it, answered and read", { timeout: 10_000 }, async () => {
  const { model, requests } = await open(right);
  let decrypted = 0;
  const onProgress = ({ step, done }) => {
    if (step === "decrypt") decrypted = done;
  };
  const predictions = model.predictEach(samples(20), { onProgress });
  await predictions.next();
  await until(() => requests() === 9 && decrypted === 9);
  for (let i = 0; i < 5; i += 1) await soon();
  assert.deepEqual([requests(), decrypted], [9, 9]);
  await predictions.return();
});

test("keys are rotated in the middle of a loop, whose answers ahead are of the old ones", { timeout: 10_000 }, async () => {
  const { model, requests } = await open(right);
  const seen = [];
  for await (const { index } of model.predictEach(samples(12))) {
    if (index === 1) {
      await until(() => requests() >= 5);
      await model.rotateKeys();
    }
    seen.push(index);
  }
  assert.deepEqual(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
});

test("a loop that is left lets its keys go, those of answers that nobody read too", { timeout: 10_000 }, async () => {
  const { model, server, requests } = await open(right);
  for await (const _ of model.predictEach(samples(9))) {
    await until(() => requests() >= 5);
    break;
  }
  await model.rotateKeys();
  assert.equal(server.log.at(-1).method, "DELETE");
});
