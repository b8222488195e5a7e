import assert from "node:assert/strict";
import { test } from "node:test";

import { openKeys, connect } from "encrypted-inference";
import { build } from "esbuild";

import { MODEL, answer, bodyOf, fakeServer, problem } from "./support.mjs";

/** What the package computes of a sample before it encrypts it, which no answer of a test server shows. */
const source = { entryPoints: [new URL("../src/sample.ts", import.meta.url).pathname], bundle: true, format: "esm", write: false };
const [{ text }] = (await build(source)).outputFiles;
const { warningsOf } = await import(`data:text/javascript,${encodeURIComponent(text)}`);

/** What a model of some shape makes of a sample: the error's code, or nothing. */
async function verdict(shape, sample, how = (model) => model.encrypt(sample)) {
  return (await refusal({ shape }, sample, how))?.code;
}

/** The error that a model with some description of its input gives for a sample, or nothing. */
async function refusal(input, sample, how = (model) => model.encrypt(sample)) {
  const models = [{ ...MODEL, input: { ...MODEL.input, ...input } }];
  const server = fakeServer(({ path }) => {
    if (path === "/models") return answer(200, { api_version: "1.1", models });
    return path === "/infer" ? problem(409, "LEVEL_MISMATCH") : undefined;
  });
  const model = await (await connect("https://server.test", { fetch: server.fetch })).model("sum");
  await model.prepareKeys();
  const outcome = await how(model).then(() => undefined, (error) => error);
  await model.close();
  return outcome;
}

test("arrays, typed arrays, nested arrays and tensors are samples", async () => {
  const samples = [
    [1, 2, 3, 4],
    Float32Array.of(1, 2, 3, 4),
    Uint8Array.of(1, 2, 3, 4),
    [[1, 2], [3, 4]],
    [[[1, 2], [3, 4]]],
    { data: [1, 2, 3, 4], shape: [2, 2] },
    { data: Float64Array.of(1, 2, 3, 4), shape: [1, 2, 2] },
  ];
  for (const sample of samples) assert.equal(await verdict([1, 2, 2], sample), undefined, JSON.stringify(sample));
});

test("what does not have the model's shape is refused", async () => {
  const wrong = [
    [[1, 2], [3]],
    [[1, 2, 3], [4, 5, 6]],
    [[1], [2], [3], [4]],
    { data: [1, 2, 3, 4], shape: [4] },
    { data: [1, 2, 3], shape: [2, 2] },
    [1, 2, 3],
    [],
  ];
  for (const sample of wrong) assert.equal(await verdict([1, 2, 2], sample), "INPUT_DIMENSION", JSON.stringify(sample));
  for (const sample of ["1234", 5, null, undefined, {}, [["1", 2], [3, 4]], [[1, [2]], [3, 4]]]) {
    assert.equal(await verdict([1, 2, 2], sample), "INPUT_TYPE", JSON.stringify(sample));
  }
});

test("a sample can be told by the names of its elements, or of the tensor", async () => {
  const named = { feature_names: ["a", "b", "length", "__proto__"], name: "x" };
  assert.equal(await refusal(named, Object.fromEntries([["length", 3], ["b", 2], ["a", 1], ["__proto__", 4]])), undefined);
  for (const x of [[1, 2, 3, 4], { data: [1, 2, 3, 4], shape: [4] }, Float32Array.of(1, 2, 3, 4)]) {
    assert.equal(await refusal(named, { x }), undefined);
  }
  assert.equal((await refusal(named, { x: [1, 2] })).code, "INPUT_DIMENSION");
  assert.equal((await refusal({ shape: [2, 2], name: "x" }, { x: [[1, 2], [3, 4]] })), undefined);
});

test("wrong names are told, with those that are right", async () => {
  const features = { feature_names: ["radius", "area", "texture", "edge"] };
  const error = await refusal(features, { radius: 1, aria: 2, texture: 3, edge: 4 });
  assert.equal(error.code, "INPUT_NAMES");
  assert.match(error.message, /missing: area; unknown: aria; expected: radius, area, texture, edge\./);
  assert.match((await refusal(features, {})).message, /names of the input are not the model's; expected: radius, area, texture, edge\./);
  assert.match((await refusal({ name: "image" }, { picture: [1, 2, 3, 4] })).message, /unknown: picture; expected: image, the whole tensor/);
  const mixed = await refusal(features, { radius: 1, area: "2", texture: 3, edge: 4 });
  assert.deepEqual([mixed.code, /found area that is string/.test(mixed.message)], ["INPUT_TYPE", true]);
  const missing = { radius: 1, area: Number.NaN, texture: 3, edge: 4 };
  assert.equal((await refusal(features, missing)).code, "INPUT_VALUE");
});

test("values are compared with the range of all, or with that of each feature and a tenth around it", () => {
  const image = { dimension: 4, range: [0, 255] };
  assert.deepEqual(warningsOf(Float64Array.of(0, 255, 17, 3), image), []);
  const [dark] = warningsOf(Float64Array.of(-1, 256, 17, 3), image);
  assert.deepEqual([dark.code, dark.count, dark.features], ["INPUT_RANGE", 2, undefined]);
  assert.match(dark.message, /2 of 4 values are outside of 0 to 255/);

  const feature_ranges = [[0, 10], [100, 200], [5, 5], [-1, 1], [0, 1]];
  const table = { dimension: 5, range: [-1, 200], feature_names: ["radius", "area", "count", "edge", "share"], feature_ranges };
  assert.deepEqual(warningsOf(Float64Array.of(-1, 210, 5, 1.2, 0), table), []);
  const [one] = warningsOf(Float64Array.of(5, 89.5, 5, 0, 0), table);
  assert.deepEqual([one.count, one.features], [1, ["area"]]);
  assert.match(one.message, /1 of 5 values are outside of what the model was calibrated for: area is 89\.5 \(100 to 200\)$/);
  const [many] = warningsOf(Float64Array.of(50, 50, 50, 50, 50), table);
  assert.deepEqual(many.features, table.feature_names);
  assert.match(many.message, /edge|count is 50 \(5 to 5\), and 2 more$/);
});

test("a batch is a list of samples or one tensor", async () => {
  for (const batch of [[[1, 2, 3, 4], [5, 6, 7, 8]], { data: [1, 2, 3, 4, 5, 6, 7, 8], shape: [2, 2, 2] }]) {
    assert.equal(await verdict([2, 2], batch, (model) => model.predictBatch(batch)), "LEVEL_MISMATCH");
  }
  const wrong = { data: [1, 2, 3, 4], shape: [2, 2] };
  assert.equal(await verdict([2, 2], wrong, (model) => model.predictBatch(wrong)), "INPUT_DIMENSION");
});

test("what is encrypted is the sample", async () => {
  const server = fakeServer();
  const model = await (await connect("https://server.test", { fetch: server.fetch })).model("sum");
  await model.prepareKeys();
  const bundle = bodyOf({ body: (await model.encrypt([1, 2, 3, 4])).input });
  assert.deepEqual(Object.keys(bundle).sort(), ["format", "key_id", "model_id", "payloads", "request", "samples", "secret_id", "version"]);
  assert.equal(bundle.payloads[0].length, 30292);
  assert.equal(bundle.key_id, model.keyId);
  const twin = await openKeys(await model.exportKeys());
  assert.equal(bodyOf({ body: (await twin.encrypt([1, 2, 3, 4])).input }).payloads[0].length, 30292);
});

test("as many samples as the model allows share a request", async () => {
  const models = [{ ...MODEL, constraints: { max_batch_size: 4, max_request_bytes: 100_000 } }];
  const server = fakeServer(({ path }) => {
    if (path === "/models") return answer(200, { api_version: "1.1", models });
    return path === "/infer" ? problem(409, "LEVEL_MISMATCH") : undefined;
  });
  const model = await (await connect("https://server.test", { fetch: server.fetch })).model("sum");
  await assert.rejects(model.predictBatch(new Array(6).fill([1, 2, 3, 4])), { code: "LEVEL_MISMATCH" });
  const bodies = server.log.filter(({ path }) => path === "/infer").map(bodyOf);
  assert.deepEqual(bodies.map(({ batch_size, inputs }) => [batch_size, inputs.length]), [[4, 1], [2, 1]]);
  assert.equal(bodies[0].inputs[0].payload.length, 30292, "no longer than that of one sample");
});
