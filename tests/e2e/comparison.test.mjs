// The page's own evaluation of the shipped models on plain numbers, against ONNX Runtime.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { readNpz } from "../../www/npz.mjs";
import { readOnnx } from "../../www/src/plain/onnx.js";
import { evaluate, isKnown } from "../../www/src/plain/run.js";
import { distance, plainModel } from "./plain.mjs";
import { ROOT } from "./server.mjs";

const SAMPLES = 3;

const folder = join(ROOT, "models");
const models = (await readdir(folder)).filter((name) => existsSync(join(folder, name, "samples.npz")));

assert.ok(models.length > 7, `${models.length} models`);
for (const name of models) {
  test(`${name} has the outputs that ONNX Runtime gives`, async () => {
    const graph = readOnnx(new Uint8Array(await readFile(join(folder, name, "model.onnx"))));
    assert.ok(isKnown(graph), "every operator is known");
    const { x } = readNpz(await readFile(join(folder, name, "samples.npz")));
    const [count, ...shape] = x.shape;
    const dimension = x.data.length / count;
    const plain = await plainModel(name, shape);
    for (let at = 0; at < SAMPLES; at += 1) {
      const values = x.data.slice(at * dimension, (at + 1) * dimension);
      const expected = await plain(values);
      const largest = Math.max(...expected.map(Math.abs));
      assert.ok(distance(evaluate(graph, values, shape), expected) < 1e-5 * Math.max(largest, 1), `sample ${at}`);
    }
  });
}
