// End to end from Node: the npm package against the real server.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { decode } from "cborg";
import { EncryptedInferenceError, connect, openKeys } from "encrypted-inference";

import { argmax, digits, distance, patients, plainModel } from "./plain.mjs";
import { ROOT, published, startServer } from "./server.mjs";
import { traces } from "./traces.mjs";

/** The largest difference of a probability. That of a logit is below 0.03 in both models, six standard deviations. */
const TOLERANCE = 2 ** -7;
/** A row so close to the border that its class is decided by rounding. */
const MARGIN = 0.05;

let server;
before(async () => {
  server = await startServer();
});
after(() => server?.stop());


/** A `fetch` that keeps what was sent, and fails when `broken` says so. */
function recorder(broken = () => false) {
  const requests = [];
  const recording = async (url, init) => {
    const request = { method: init.method, path: new URL(url).pathname, body: init.body && Buffer.from(init.body) };
    if (broken(request, requests)) throw new TypeError("the network is down");
    requests.push(request);
    return fetch(url, init);
  };
  return { requests, fetch: recording };
}

test("digits come out as the plaintext model says", async () => {
  const plain = await plainModel("mnist_mlp", [1, 28, 28]);
  const model = await (await connect(server.url)).model("mnist_mlp");
  await model.prepareKeys();
  for (const digit of digits) {
    const { values, labels } = await model.predict(digit.pixels);
    const expected = await plain(digit.pixels);
    assert.equal(argmax(values), argmax(expected), `a ${digit.label}`);
    assert.equal(labels[argmax(values)], String(argmax(expected)));
    assert.ok(distance(values, expected) < TOLERANCE, `${values} against ${expected}`);
  }
  await model.deleteKeys();
  await model.close();
});

test("patients come out as the plaintext model says", async () => {
  const plain = await plainModel("breast_cancer_logistic", [30]);
  const model = await (await connect(server.url)).model("breast_cancer_logistic");
  const named = new Set();
  for (const { values: features, logit } of patients) {
    const { values, best } = await model.predict(features);
    const expected = await plain(features);
    assert.ok(distance(values, expected) < TOLERANCE, `${values} against ${expected}`);
    if (Math.abs(logit) <= MARGIN) continue;
    // The model has no word for the others.
    assert.equal(best.label, expected[0] > 0.5 ? "benign" : undefined);
    named.add(best.label);
  }
  assert.equal(named.size, 2, "there were patients of both classes");
  await model.close();
});

test("features can be given by their names, in any order", async () => {
  const model = await (await connect(server.url)).model("breast_cancer_logistic");
  const [{ values: features, probability }] = patients;
  const { name, feature_names: names } = model.info.input;
  const named = Object.fromEntries(names.map((feature, i) => [feature, features[i]]).reverse());
  for (const sample of [named, { [name]: features }]) {
    const { values } = await model.predict(sample);
    assert.ok(Math.abs(values[0] - probability) < TOLERANCE, `${values} against ${probability}`);
  }
  delete named.mean_area;
  await assert.rejects(model.predict({ ...named, mean_aria: 1 }), { code: "INPUT_NAMES", message: /missing: mean_area; unknown: mean_aria/ });
  await model.close();
});

test("the ten lines of the README work", async () => {
  const example = fileURLToPath(new URL("example.mjs", import.meta.url));
  const readme = await readFile(join(ROOT, "README.md"), "utf8");
  assert.ok(readme.includes(`\`\`\`js\n${await readFile(example, "utf8")}\`\`\``), "they are in the README as they are here");
  const { stdout } = await promisify(execFile)(process.execPath, [example, server.url]);
  const { evaluation_keys: keys } = await published(server.url, "mnist_mlp");
  const count = keys.galois.length + (keys.relinearization ? 1 : 0);
  assert.ok(count > 1 && stdout.includes(`${count} of ${count} keys`), stdout);
  assert.match(stdout, /a 0: \[/);
});

test("the recipe for a file of rows works, and goes on with its keys", async () => {
  const recipes = await readFile(join(ROOT, "client-wasm/js/docs/recipes.md"), "utf8");
  const [, code] = /## A script for Node.*?```js\n(.*?)```/s.exec(recipes);
  const folder = await mkdtemp(fileURLToPath(new URL("recipe-", import.meta.url)));
  try {
    await writeFile(join(folder, "rows.csv"), `${patients.map(({ values }) => values.join(",")).join("\n")}\n`);
    const env = { ...process.env, INFERENCE_URL: server.url };
    const run = () => promisify(execFile)(process.execPath, ["--input-type=module", "--eval", code], { cwd: folder, env });
    const runs = [await run(), await run()];
    assert.equal((await readdir(join(folder, "prediction-keys"))).length, 1, "one file, for this version of the model");
    for (const { stdout } of runs) {
      const probabilities = stdout.trim().split("\n").map((line) => Number(line.split(" ").at(-1)));
      assert.ok(distance(probabilities, patients.map(({ probability }) => probability)) < TOLERANCE, stdout);
      // A malignant row is told by how probable the one label is.
      const malignant = patients.findIndex(({ label, probability }) => label === "malignant" && probability < 0.001);
      assert.match(stdout.split("\n")[malignant], /^benign with probability 0\.00\d\d$/);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("nothing that is sent holds the input or the secret key", async () => {
  const { requests, fetch } = recorder();
  const model = await (await connect(server.url, { fetch })).model("breast_cancer_logistic");
  const [patient] = patients;
  await model.predict(patient.values);
  const sent = Buffer.concat(requests.map(({ body }) => body ?? Buffer.alloc(0)));
  const { evaluation_keys: keys, sizes } = await published(server.url, "breast_cancer_logistic");
  assert.ok(sent.length >= keys.bytes + sizes.request_bytes, `keys and an input were sent: ${sent.length} bytes`);
  assert.deepEqual(traces(sent, { numbers: patient.values, secret: decode(await model.exportKeys()).secret }), []);
  await model.close();
});

test("an input or a secret key among what is sent would be found in every form", () => {
  const secret = randomBytes(84);
  const numbers = digits[0].pixels.map((pixel) => pixel / 255);
  const sought = { numbers, grey: digits[0].pixels, secret };
  const forms = {
    text: JSON.stringify(numbers),
    double: Float64Array.from(numbers),
    single: Float32Array.from(numbers),
    bytes: Uint8Array.from(digits[0].pixels),
    key: secret,
  };
  const noise = randomBytes(100_001);
  assert.deepEqual(traces(noise, sought), []);
  for (const [form, leak] of Object.entries(forms)) {
    const bytes = typeof leak === "string" ? Buffer.from(leak) : Buffer.from(leak.buffer, leak.byteOffset, leak.byteLength);
    assert.notDeepEqual(traces(Buffer.concat([noise, bytes, noise]), sought), [], form);
  }
});

test("an upload of keys that breaks off goes on where it stopped", async () => {
  let broken = true;
  const { requests, fetch } = recorder(({ method }, log) => {
    return broken && method === "PUT" && log.filter((request) => request.method === "PUT").length >= 5;
  });
  const model = await (await connect(server.url, { fetch })).model("mnist_mlp");
  await assert.rejects(model.prepareKeys(), { code: "NETWORK", retryable: true });
  const uploaded = requests.filter(({ method }) => method === "PUT").length;
  assert.equal(uploaded, 5);
  broken = false;
  const first = [];
  const report = await model.prepareKeys({ onProgress: (progress) => first.push(progress) });
  assert.equal(first[0].done, uploaded);
  assert.equal(report.made, first[0].total - uploaded);
  assert.equal(argmax((await model.predict(digits[0].pixels)).values), digits[0].label);
  await model.close();
});

test("a key that was exported goes on in a new client", async () => {
  const api = await connect(server.url);
  const first = await api.model("breast_cancer_logistic");
  await first.prepareKeys();
  const keys = await first.exportKeys();
  await first.close();

  const second = await api.model("breast_cancer_logistic", { keys });
  assert.equal((await second.prepareKeys()).made, 0);
  const { values } = await second.predict(patients[0].values);
  assert.ok(Math.abs(values[0] - patients[0].probability) < TOLERANCE);
  await second.close();
});

test("what is encrypted offline is sent by one program and decrypted by another", async () => {
  const model = await (await connect(server.url)).model("breast_cancer_logistic");
  await model.prepareKeys();
  const keys = await model.exportKeys();
  const input = await model.encrypt(patients[0].values);
  await model.close();

  const messenger = await connect(server.url);
  const [first, again] = [await messenger.send(input), await messenger.send(input)];
  assert.equal(first.jobId, again.jobId, "the same request makes one job");
  assert.deepEqual(first.output, again.output);

  const reader = await openKeys(keys);
  const { values, best } = await reader.decrypt(first.output);
  assert.ok(Math.abs(values[0] - patients[0].probability) < TOLERANCE);
  assert.deepEqual(best, { index: 0, value: values[0], label: undefined }, "its one label does not hold");
  await reader.close();
});

test("a batch comes out in its order, with warnings where values are out of range", async () => {
  const { requests, fetch } = recorder();
  const model = await (await connect(server.url, { fetch })).model("breast_cancer_logistic");
  const samples = patients.map(({ values }) => values);
  const seen = [];
  const results = await model.predictBatch(samples, { onProgress: ({ step, done }) => seen.push([step, done]) });
  assert.deepEqual(seen[0].slice(0, 1), ["keys"]);
  assert.deepEqual(seen.at(-1), ["decrypt", samples.length]);
  const together = model.info.constraints.max_batch_size;
  assert.ok(together > 1, "the model takes several samples at once");
  assert.equal(requests.filter(({ path }) => path === "/infer").length, Math.ceil(samples.length / together));
  results.forEach(({ values, warnings }, i) => {
    assert.ok(Math.abs(values[0] - patients[i].probability) < TOLERANCE, `patient ${i}`);
    assert.deepEqual(warnings, []);
  });
  const { warnings } = await model.predict(samples[0].with(0, -1).with(1, 5000));
  const [{ features }] = warnings.filter(({ code }) => code === "INPUT_RANGE");
  assert.deepEqual(features, ["mean_radius", "mean_texture"]);
  // Such outputs are beyond what the ciphertext holds and come back as any others: some of them as none that the model
  // can give.
  const beyond = await model.predictBatch(samples.map((sample) => sample.map((value) => value * 50)));
  const told = beyond.filter(({ warnings }) => warnings.some(({ code }) => code === "OUTPUT_RANGE"));
  assert.ok(told.length > 0, "the model cannot give such outputs");
  await model.close();
});

test("keys are rotated and forgotten on the server too", async () => {
  const api = await connect(server.url);
  const model = await api.model("breast_cancer_logistic");
  await model.prepareKeys();
  const before = await model.exportKeys();
  const { keyId } = model;
  await model.rotateKeys();
  assert.notEqual(model.keyId, keyId);
  const { values } = await model.predict(patients[0].values);
  assert.ok(Math.abs(values[0] - patients[0].probability) < TOLERANCE);
  const gone = await fetch(`${server.url}/keys/${keyId}`);
  assert.equal(gone.status, 404);
  await model.forget();
  await assert.rejects(model.predict(patients[0].values), { code: "CLOSED" });
  // The old secret is still good for what was encrypted with it, and needs new evaluation keys.
  const old = await api.model("breast_cancer_logistic", { keys: before });
  assert.ok((await old.prepareKeys()).made > 0);
  await old.close();
});

test("keys and results outlive a server that is killed", async () => {
  const first = await startServer();
  const port = new URL(first.url).port;
  const model = await (await connect(first.url)).model("breast_cancer_logistic");
  await model.predict(patients[0].values);
  await first.kill();
  const second = await startServer({ data: first.store, port });
  try {
    const { values } = await model.predict(patients[4].values);
    assert.ok(Math.abs(values[0] - patients[4].probability) < TOLERANCE);
  } finally {
    await model.close();
    await second.stop();
    await rm(first.store, { recursive: true, force: true });
  }
});

test("a server with a token refuses those without", async () => {
  const guarded = await startServer({ token: "e2e-token-of-32-characters-or-more" });
  try {
    const anonymous = connect(guarded.url).then((api) => api.model("breast_cancer_logistic")).then((model) => model.prepareKeys());
    await assert.rejects(anonymous, (error) => error instanceof EncryptedInferenceError && error.status === 401);
    const api = await connect(guarded.url, { token: "e2e-token-of-32-characters-or-more" });
    const model = await api.model("breast_cancer_logistic");
    const { values } = await model.predict(patients[0].values);
    assert.ok(Math.abs(values[0] - patients[0].probability) < TOLERANCE);
    await model.close();
    assert.doesNotMatch(guarded.log.join("\n"), /e2e-token/);
  } finally {
    await guarded.stop();
  }
});
