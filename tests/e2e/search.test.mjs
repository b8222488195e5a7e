// Private search from Node: a text becomes a vector as the page makes it, its scores come back encrypted.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

import { connect } from "encrypted-inference";

import { distance, plainModel } from "./plain.mjs";
import { ROOT, startServer } from "./server.mjs";
import { embedder, examples } from "./texts.mjs";

/** The largest error of a score, six standard deviations. */
const TOLERANCE = 1e-4;

let server;
before(async () => {
  server = await startServer();
});
after(() => server?.stop());

/** The places of the ten largest scores, sorted by place, and how far the tenth is before the eleventh. */
function best(scores) {
  const places = [...scores.keys()].sort((a, b) => scores[b] - scores[a]);
  return { ten: places.slice(0, 10).sort((a, b) => a - b), gap: scores[places[9]] - scores[places[10]] };
}

test("a text has the vector that the training script gives it", () => {
  assert.ok(examples.length > 3);
  for (const { text, vector } of examples) {
    const found = embedder.embed(text.toUpperCase());
    assert.ok(distance([...found.vector], vector) < 2e-6, text);
    assert.ok(found.unknown.every((word) => word === "my"), `${found.unknown}`);
  }
  const [whole, beginning] = ["author", "authorqq"].map((word) => embedder.embed(word).vector);
  assert.deepEqual(beginning, whole);
  assert.deepEqual(embedder.embed("qqq, 12: zzzz").unknown, ["qqq", "zzzz"]);
  assert.equal(embedder.embed("qqq").vector, undefined);
});

test("the recipe for a search finds the word", async () => {
  const recipes = await readFile(join(ROOT, "client-wasm/js/docs/recipes.md"), "utf8");
  const [, code] = /## Private search.*?```js\n(.*?)```/s.exec(recipes);
  const folder = await mkdtemp(fileURLToPath(new URL("recipe-", import.meta.url)));
  try {
    await writeFile(join(folder, "search.mjs"), code.replace("https://inference.example", server.url));
    const { search } = await import(pathToFileURL(join(folder, "search.mjs")));
    const found = await search(embedder.embed("a person who writes books").vector);
    assert.deepEqual([found.length, found[0].text], [10, "author"]);
    assert.ok(found[0].score > found[9].score);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("the ten best words are those of the plaintext runtime", async () => {
  const plain = await plainModel("gloss_search", [128]);
  const model = await (await connect(server.url)).model("gloss_search");
  for (const { text, vector } of examples) {
    const { values, best: first, labels } = await model.predict({ question: vector });
    const expected = await plain(vector);
    assert.equal(values.length, 2000);
    assert.ok(distance(values, expected) < TOLERANCE, text);
    assert.ok(best(expected).gap > 2 * TOLERANCE, `the words of “${text}” are far enough apart to be compared`);
    assert.deepEqual(best(values).ten, best(expected).ten, text);
    assert.equal(first.label, labels[first.index]);
  }
  await model.close();
});
