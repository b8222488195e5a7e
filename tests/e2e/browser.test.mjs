// End to end from a real Chromium: the page, the npm package in its worker, the real server.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

import { argmax, digits, distance, patients, plainModel } from "./plain.mjs";
import { record } from "./recorder.mjs";
import { published, startServer } from "./server.mjs";
import { traces } from "./traces.mjs";

/** The largest difference of a probability. That of a logit is below 0.03 in both models, six standard deviations. */
const TOLERANCE = 2 ** -7;
const SCREENSHOTS = fileURLToPath(new URL("results/", import.meta.url));
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true, colorScheme: "dark" };

let server;
let browser;
let door;
before(async () => {
  const executablePath = process.env.CHROMIUM;
  assert.ok(executablePath, "CHROMIUM must be the path of a Chromium; `cargo xtask test browser` sets it");
  await mkdir(SCREENSHOTS, { recursive: true });
  [server, browser] = await Promise.all([startServer(), chromium.launch({ executablePath, args: FLAGS })]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});
beforeEach(async () => {
  door = await record(server.url);
});
afterEach(() => door.close());

/** Opens the page; whatever goes wrong in it unexpectedly ends up in `complaints`. */
async function open(options = { viewport: { width: 1200, height: 1000 } }) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const complaints = [];
  const elsewhere = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("request", (request) => request.url().startsWith(door.url) || elsewhere.push(request.url()));
  await page.goto(door.url);
  return { page, complaints, elsewhere, close: () => context.close() };
}

const keysAreReady = (page) => page.locator('[data-testid="keys"][data-state="ready"]').waitFor();

const settled = (page) => page.locator('[data-testid="answer"][data-state="answered"]').waitFor();

const screenshot = (page, name) => page.screenshot({ path: `${SCREENSHOTS}${name}.png`, fullPage: true });

/** The bars as numbers. */
const bars = (page) =>
  page.getByTestId("bars").locator("li").evaluateAll((items) => items.map(({ dataset }) => ({ label: dataset.label, value: Number(dataset.value) })));

/** Traces a digit with the mouse, one line for each run of bright pixels. */
async function draw(page, { pixels }) {
  const box = await page.getByTestId("pad").boundingBox();
  const unit = box.width / 28;
  const at = (column, row) => [box.x + (column + 0.5) * unit, box.y + (row + 0.5) * unit];
  for (let row = 0; row < 28; row += 1) {
    let start;
    for (let column = 0; column <= 28; column += 1) {
      const bright = column < 28 && pixels[row * 28 + column] > 140;
      if (bright) start ??= column;
      if (bright || start === undefined) continue;
      await page.mouse.move(...at(start, row));
      await page.mouse.down();
      await page.mouse.move(...at(column - 1, row));
      await page.mouse.up();
      start = undefined;
    }
  }
}

/** The 28 by 28 grey values that the page says it encrypted. */
const seen = (page) =>
  page.getByTestId("seen").evaluate((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return Array.from({ length: data.length / 4 }, (_, i) => data[4 * i]);
  });

/** The secret keys of the page, asked of its workers in the package's own words. */
const secretKeys = (page) =>
  Promise.all(
    page.workers().map(async (worker) => {
      const bytes = await worker.evaluate(
        () =>
          new Promise((resolve) => {
            const post = globalThis.postMessage;
            globalThis.postMessage = (reply) => {
              globalThis.postMessage = post;
              resolve([...reply.value]);
            };
            const call = { method: "secret", parameters: [] };
            const data = { mark: "encrypted-inference", id: -1, engine: 1, call };
            dispatchEvent(new MessageEvent("message", { data }));
          }),
      );
      return Uint8Array.from(bytes);
    }),
  );

test("a digit drawn with the mouse is recognised, and nothing that leaves tells what it is", async () => {
  const plain = await plainModel("mnist_mlp", [1, 28, 28]);
  const { page, complaints, elsewhere, close } = await open();
  await keysAreReady(page);
  const digit = digits.find(({ label }) => label === 3);
  await draw(page, digit);
  await settled(page);

  const grey = await seen(page);
  assert.ok(grey.some((value) => value > 200), "the drawing arrived");
  const expected = await plain(grey.map((value) => value / 255));
  const found = await bars(page);
  assert.deepEqual(found.map(({ label }) => label), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
  const values = found.map(({ value }) => value);
  assert.ok(distance(values, expected) < TOLERANCE, `${values} against ${expected}`);
  assert.equal(argmax(values), digit.label);
  assert.equal(await page.getByTestId("verdict").textContent(), "This is a 3.");

  const secrets = await secretKeys(page);
  assert.equal(secrets.length, 1);
  const sent = door.sent();
  const { evaluation_keys: keys, sizes } = await published(server.url, "mnist_mlp");
  assert.ok(sent.length >= keys.bytes + sizes.request_bytes, `keys and at least one input were sent: ${sent.length} bytes`);
  const numbers = grey.map((value) => value / 255);
  assert.deepEqual(traces(sent, { numbers, grey, secret: secrets[0] }), []);
  assert.deepEqual(elsewhere, [], "requests to other origins");
  await screenshot(page, "digit");
  assert.deepEqual(complaints, []);
  await close();
});

test("every digit of the test set on the page gets the plaintext model's answer", async () => {
  const { page, complaints, close } = await open(PHONE);
  const buttons = page.getByTestId("digit-examples").locator("button");
  await buttons.last().waitFor();
  for (let label = 0; label < 10; label += 1) {
    await buttons.nth(label).tap();
    await settled(page);
    const digit = digits.find((each) => each.label === label);
    const values = (await bars(page)).map(({ value }) => value);
    assert.ok(distance(values, digit.probabilities) < TOLERANCE, `${label}: ${values}`);
    assert.deepEqual(await seen(page), digit.pixels);
  }
  await screenshot(page, "digit-phone");
  assert.deepEqual(complaints, []);
  await close();
});

test("a patient is classified, edited, classified again", async () => {
  const plain = await plainModel("breast_cancer_logistic", [30]);
  const { page, complaints, close } = await open();
  await page.getByRole("tab", { name: "Patient" }).click();
  await page.getByTestId("patient-examples").getByRole("button", { name: "Patient 5", exact: true }).click();
  await settled(page);
  const [benign] = await bars(page);
  assert.ok(Math.abs(benign.value - patients[4].probability) < TOLERANCE);
  assert.equal(await page.getByTestId("verdict").textContent(), "The model says benign.");
  await screenshot(page, "patient");

  const radius = page.getByRole("spinbutton", { name: "worst radius" });
  await radius.fill("24.5");
  await page.getByTestId("patient-submit").click();
  await settled(page);
  const edited = await page.locator("#patient-fields input").evaluateAll((inputs) => inputs.map(({ name, valueAsNumber }) => [name, valueAsNumber]));
  const byName = new Map(edited);
  const { feature_names: names } = await (await page.request.get(`${door.url}/data/patients.json`)).json();
  const [expected] = await plain(names.map((name) => byName.get(name)));
  const [again] = await bars(page);
  assert.ok(Math.abs(again.value - expected) < TOLERANCE, `${again.value} against ${expected}`);

  await radius.fill("");
  await page.getByTestId("patient-submit").click();
  assert.match(await page.locator("#patient-wrong").textContent(), /Numbers from 0 to 100000 are needed: worst radius\./);
  assert.deepEqual(complaints, []);
  await close();
});

test("the page says what left it", async () => {
  const { page, close } = await open();
  await page.getByTestId("digit-examples").getByRole("button", { name: "A 7 of the test set" }).click();
  await settled(page);
  const { evaluation_keys: keys, encryption_parameters: parameters, sizes } = await published(server.url, "mnist_mlp");
  const ledger = await page.getByTestId("ledger").textContent();
  assert.ok(ledger.includes(`${(keys.bytes / 1e6).toFixed(2)} MB`), ledger);
  // The body holds the ciphertext and less than 300 bytes around it.
  const request = Number(/input(\d+\.\d) KB/.exec(ledger)?.[1]) * 1000;
  assert.ok(request > sizes.request_bytes && request < sizes.request_bytes + 300, ledger);
  assert.match(await page.getByTestId("hex").textContent(), /^0000 {2}43 4b 4b 53 01 06/);
  const logDegree = Math.log2(parameters.poly_modulus_degree);
  const security = await page.getByTestId("security").textContent();
  const told = /128 bits.*2\^(\d+), log2\(QP\) = (\d+) where (\d+)/.exec(security)?.slice(1).map(Number);
  // A prime of b bits is between 2^(b-1) and 2^b. 214 is the table's limit for 2^13.
  const bits = parameters.coeff_modulus_bits.reduce((sum, each) => sum + each, 0);
  assert.deepEqual([told[0], told[2]], [logDegree, 214], security);
  assert.ok(told[1] <= bits && told[1] >= bits - parameters.coeff_modulus_bits.length, security);
  assert.equal(await page.getByTestId("timeline").locator("[data-step]").count(), 3);
  const noise = await page.getByTestId("noise").evaluate((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const counts = new Array(256).fill(0);
    for (let i = 0; i < data.length; i += 4) counts[data[i]] += 1;
    return { least: Math.min(...counts), most: Math.max(...counts), total: data.length / 4 };
  });
  // Uniform bytes: each value is seen total / 256 times, give or take seven standard deviations.
  const [mean, reach] = [noise.total / 256, 7 * Math.sqrt(noise.total / 256)];
  assert.ok(noise.total > sizes.request_bytes - 700, "a pixel for each byte, but for those outside the square");
  assert.ok(noise.least > mean - reach && noise.most < mean + reach, JSON.stringify(noise));
  await close();
});

test("a server that goes away is told, and trying again goes on", async () => {
  const { page, close } = await open();
  await keysAreReady(page);
  await page.getByTestId("digit-examples").locator("button").first().waitFor();
  door.shut();
  await page.getByTestId("digit-examples").getByRole("button", { name: "A 2 of the test set" }).click();
  const notice = page.getByTestId("notice");
  await notice.waitFor();
  assert.match(await notice.textContent(), /cannot be reached.*NETWORK/s);
  await screenshot(page, "unreachable");
  door.reopen();
  await notice.getByRole("button", { name: "Try again" }).click();
  await settled(page);
  assert.equal(await page.getByTestId("verdict").textContent(), "This is a 2.");
  assert.ok(await notice.isHidden());
  await close();
});

test("the page works with the keyboard alone", async () => {
  const { page, close } = await open();
  await page.getByRole("tab", { name: "Digit" }).focus();
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.evaluate(() => document.activeElement.id), "tab-patients");
  await page.getByTestId("patient-examples").getByRole("button").first().focus();
  await page.keyboard.press("Enter");
  await settled(page);
  assert.ok(await page.getByTestId("bars").locator("li").first().isVisible());
  await close();
});
