// The page's panels of words and of samples in a real Chromium.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { test } from "node:test";

import { DARK, DESKTOP, PHONE, openPage, screenshot, secretKeys } from "./chromium.mjs";
import { setStage } from "./stage.mjs";
import { embedder } from "./texts.mjs";
import { traces } from "./traces.mjs";

const stage = setStage();

/** Opens the page, waits for its first answer and shows the panel. */
async function open(options) {
  const opened = await openPage(stage.browser, stage.door.url, { options, home: stage.door.url });
  await answered(opened.page, /This is a 7/);
  await opened.page.getByRole("tab", { name: "A word" }).click();
  await answered(opened.page, /sounds like “author”/);
  return opened;
}

async function answered(page, verdict) {
  await page.getByTestId("verdict").filter({ hasText: verdict }).waitFor();
  await page.locator('[data-testid="answer"][data-state="answered"]').waitFor();
}

async function ask(page, text, verdict) {
  await page.getByTestId("words-text").fill(text);
  await page.getByTestId("words-submit").click();
  await answered(page, verdict);
}

const words = (page) => page.getByTestId("bars").locator("li").evaluateAll((items) => items.map(({ dataset }) => [dataset.label, Number(dataset.value)]));

test("a word is found by a description, which does not leave the page", async () => {
  const { page, complaints, elsewhere, close } = await open(DESKTOP);
  const text = "someone who steals things in xqzzyville";
  await ask(page, text, /sounds like “thief”/);
  const found = await words(page);
  assert.equal(found.length, 10);
  assert.deepEqual(found.map(([, score]) => score), found.map(([, score]) => score).sort((a, b) => b - a), "the best first");
  assert.match(await page.getByTestId("bars").locator("li", { hasText: "thief" }).textContent(), /takes property belonging to someone else/);
  assert.match(await page.getByTestId("words-unknown").textContent(), /“xqzzyville”/);
  assert.match(await page.getByTestId("ledger").textContent(), /30\.4\u00a0KB/);

  await page.getByTestId("compare").click();
  await page.locator('[data-testid="compared"][data-difference]').waitFor();
  assert.ok(Number(await page.getByTestId("compared").getAttribute("data-difference")) < 1e-4);
  assert.match(await page.getByTestId("compared").textContent(), /^The same ten words/);
  assert.match(await page.getByTestId("facts").textContent(), /The same ten words as in the clear200 of 200/);

  const sent = stage.door.sent();
  const numbers = [...embedder.embed(text).vector];
  assert.equal(await page.getByTestId("words-preview").locator("rect").count(), numbers.length);
  for (const word of ["xqzzyville", "steals", "thief"]) assert.ok(!sent.includes(word), word);
  const [secret] = await secretKeys(page);
  assert.deepEqual(traces(sent, { numbers, secret }), []);
  assert.deepEqual(elsewhere, [], "requests to other origins");
  assert.deepEqual(complaints, []);
  await close();
});

test("what cannot be embedded is told and not asked", async () => {
  const { page, complaints, close } = await open(DESKTOP);
  const asked = () => page.getByTestId("traffic").textContent().then((log) => log.match(/POST \/infer/g).length);
  const before = await asked();
  for (const text of ["", "1 + 1 = 2", "qqq"]) {
    await page.getByTestId("words-text").fill(text);
    await page.getByTestId("words-submit").click();
    await page.getByTestId("words-unknown").filter({ hasText: "Describe it in English words." }).waitFor();
    assert.equal(await page.getByTestId("words-text").getAttribute("aria-invalid"), "true");
  }
  assert.equal(await asked(), before);
  assert.deepEqual(complaints, []);
  await close();
});

test("a sample of another model is classified, and compared with plain numbers", async () => {
  const { page, complaints, close } = await open(DESKTOP);
  await page.getByRole("tab", { name: "More models" }).click();
  await page.getByTestId("model").selectOption("gunpoint_cnn");
  await page.getByTestId("keys-start").click();
  await answered(page, /The model says (?:gun|point)\./);
  const [, said] = /calls it (\w+)\./.exec(await page.getByTestId("expected").textContent());
  assert.equal(await page.getByTestId("verdict").textContent(), `The model says ${said}.`);
  await page.getByTestId("compare").click();
  await page.locator('[data-testid="compared"][data-difference]').waitFor();
  assert.match(await page.getByTestId("compared").textContent(), /^The same answer/);
  assert.equal(await page.getByTestId("bars").locator(".plain:visible").count(), 2);
  await screenshot(page, "signal");
  assert.deepEqual(complaints, []);
  await close();
});

test("an accessibility checker finds nothing in the panel", async () => {
  const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  for (const [name, options] of Object.entries({ light: DESKTOP, dark: DARK, phone: PHONE })) {
    const { page, close } = await open(options);
    await page.getByTestId("compare").click();
    await page.locator('[data-testid="compared"][data-difference]').waitFor();
    await screenshot(page, `words-${name}`);
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join("; ")}`), []);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0, "nothing is wider than the screen");
    await close();
  }
});
