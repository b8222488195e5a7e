// The page against servers with models that it does not know: it has numbers to ask, and says what the model says.

import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { openPage, screenshot, startChromium } from "./chromium.mjs";
import { argmax, digits, patients, plainModel } from "./plain.mjs";
import { bars, settled } from "./reading.mjs";
import { ROOT, startServer } from "./server.mjs";

const TOLERANCE = 2 ** -7;

let browser;
before(async () => {
  browser = await startChromium();
});
after(() => browser?.close());

/** Opens the page of a server whose only model is a shipped one, changed. */
async function open(context, shipped, change) {
  const models = await mkdtemp(join(tmpdir(), "models-"));
  context.after(() => rm(models, { recursive: true, force: true }));
  const folder = join(ROOT, "models", shipped, "package");
  const manifest = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8"));
  await cp(folder, join(models, "unknown"), { recursive: true });
  change(manifest);
  await writeFile(join(models, "unknown/manifest.json"), JSON.stringify({ ...manifest, model_id: "unknown" }));
  const server = await startServer({ models });
  context.after(server.stop);
  const { page, complaints, close } = await openPage(browser, server.url.replace("127.0.0.1", "localhost"));
  context.after(close);
  await settled(page);
  const ask = async (values) => {
    // Closed where a picture or a line shows them.
    await page.locator("#samples-values").evaluate((numbers) => (numbers.open = true));
    await page.getByTestId("samples-text").fill(values.join(" "));
    await page.getByRole("button", { name: "Encrypt and ask" }).click();
  };
  return { page, complaints, ask };
}

const verdict = (page) => page.getByTestId("verdict").textContent();

test("a probability of one label is asked with numbers", async (context) => {
  const { page, complaints, ask } = await open(context, "breast_cancer_logistic", () => undefined);
  assert.deepEqual((await page.getByRole("tab").allTextContents()).map((text) => text.trim()), ["More models"]);
  const plain = await plainModel("breast_cancer_logistic", [30]);
  await ask(patients[0].values);
  await settled(page);
  const [{ value }] = await bars(page);
  const [expected] = await plain(patients[0].values);
  assert.ok(Math.abs(value - expected) < TOLERANCE, `${value} against ${expected}`);
  // The one label of the model is not what it says of a malignant row.
  assert.equal(patients[0].label, "malignant");
  assert.equal(await verdict(page), "The model does not say benign.");
  assert.ok(await page.getByTestId("compare").isHidden());
  await ask(patients[4].values);
  await page.getByTestId("verdict").filter({ hasText: "The model says benign." }).waitFor();
  await ask(["1 2 three"]);
  assert.equal(await page.locator("#samples-wrong").textContent(), "Only numbers are needed here.");
  await ask([1, 2, 3]);
  assert.equal(await page.locator("#samples-wrong").textContent(), "The model takes 30 values; there are 3.");

  const unlike = patients[4].values.with(3, 30_000);
  await ask(unlike);
  await page.locator("#warnings").filter({ hasText: "mean_area is 30000 (143.5 to 2501)" }).waitFor();
  assert.deepEqual(complaints, []);
});

test("a class alone is shown with the scores it was chosen by, which are no percentages", async (context) => {
  const names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
  const { page, complaints, ask } = await open(context, "mnist_mlp", ({ output }) => Object.assign(output, { postprocessing: "argmax", labels: names }));
  const seven = digits.find(({ label }) => label === 7);
  await ask(seven.pixels);
  await page.getByTestId("verdict").filter({ hasText: "The model says seven." }).waitFor();
  const found = await bars(page);
  assert.deepEqual(found.map(({ label }) => label), names);
  found.forEach(({ value }, i) => assert.ok(Math.abs(value - seven.logits[i]) < 0.05, `${value} against ${seven.logits[i]}`));
  assert.equal(argmax(found.map(({ value }) => value)), 7);
  const items = page.getByTestId("bars").locator("li");
  assert.ok((await page.getByTestId("bars").textContent()).includes("-") && !(await page.getByTestId("bars").textContent()).includes("%"));
  // Below zero is to the left of the middle, above to the right, when the bars have moved there.
  await page.evaluate(() => Promise.all(document.getAnimations().map(({ finished }) => finished)));
  const places = await items.evaluateAll((all) =>
    all.map((item) => {
      const [track, fill] = [".track", ".fill"].map((part) => item.querySelector(part).getBoundingClientRect());
      return (fill.left + fill.right) / 2 - (track.left + track.right) / 2;
    }),
  );
  found.forEach(({ label, value }, i) => assert.ok(Math.abs(value) < 0.1 || Math.sign(places[i]) === Math.sign(value), `${label}: ${value} at ${places[i]}`));
  assert.ok(places.some((place) => place < -1));
  await screenshot(page, "class");
  assert.deepEqual(complaints, []);
});
