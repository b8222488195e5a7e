// End to end from a real Chromium: the page, the npm package in its worker, the real server.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test as everywhere } from "node:test";

import { DARK, DESKTOP, FRAME, PHONE, longestTask, openPage, screenshot, secretKeys, trace } from "./chromium.mjs";
import { serveFiles } from "./files.mjs";
import { argmax, digits, distance, patients, plainModel } from "./plain.mjs";
import { record } from "./recorder.mjs";
import { bars, settled } from "./reading.mjs";
import { ROOT, published, startServer } from "./server.mjs";
import { setStage } from "./stage.mjs";
import { traces } from "./traces.mjs";

/** The largest difference of a probability. That of a logit is below 0.03 in both models, six standard deviations. */
const TOLERANCE = 2 ** -7;
/** What may be loaded before the first question, keys and ciphertexts not counted. */
const MOST_BYTES = 500_000;

/** Most of what is tested here is the page's alone; tests of `everywhere` are for the Worker behind it too. */
const test = (name, body) => everywhere(name, { skip: process.env.EDGE_WORKER ? "of the page alone" : false }, body);

const stage = setStage();

const open = (options) => openPage(stage.browser, stage.door.url, { options, home: stage.door.url });

const keysAreReady = (page) => page.locator('[data-testid="keys"][data-state="ready"]').waitFor();

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

everywhere("a digit drawn with the mouse is recognised, and nothing that leaves tells what it is", async () => {
  const plain = await plainModel("mnist_mlp", [1, 28, 28]);
  const { page, complaints, elsewhere, close } = await open();
  await keysAreReady(page);
  const digit = digits.find(({ label }) => label === 3);
  await draw(page, digit);
  await settled(page);

  const grey = await seen(page);
  assert.ok(grey.some((value) => value > 200), "the drawing arrived");
  const expected = await plain(grey);
  const found = await bars(page);
  assert.deepEqual(found.map(({ label }) => label), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
  const values = found.map(({ value }) => value);
  assert.ok(distance(values, expected) < TOLERANCE, `${values} against ${expected}`);
  assert.equal(argmax(values), digit.label);
  assert.equal(await page.getByTestId("verdict").textContent(), "This is a 3.");

  const secrets = await secretKeys(page);
  assert.equal(secrets.length, 1);
  const sent = stage.door.sent();
  const { evaluation_keys: keys, sizes } = await published(stage.server.url, "mnist_mlp");
  assert.ok(sent.length >= keys.bytes + sizes.request_bytes, `keys and at least one input were sent: ${sent.length} bytes`);
  const numbers = grey.map((value) => value / 255);
  assert.deepEqual(traces(sent, { numbers, grey, secret: secrets[0] }), []);
  assert.deepEqual(elsewhere, [], "requests to other origins");
  assert.deepEqual(complaints, []);
  await close();
});

test("every digit of the test set on the page gets the plaintext model's answer", async () => {
  const { page, complaints, close } = await open(PHONE);
  const buttons = page.getByTestId("digit-examples").locator("button");
  await settled(page);
  for (let label = 0; label < 10; label += 1) {
    await buttons.nth(label).tap();
    await settled(page);
    const digit = digits.find((each) => each.label === label);
    const values = (await bars(page)).map(({ value }) => value);
    assert.ok(distance(values, digit.probabilities) < TOLERANCE, `${label}: ${values}`);
    assert.deepEqual(await seen(page), digit.pixels);
  }
  await screenshot(page, "phone");
  assert.deepEqual(complaints, []);
  await close();
});

everywhere("a patient is classified, edited, classified again", async () => {
  const plain = await plainModel("breast_cancer_logistic", [30]);
  const { page, complaints, close } = await open();
  await keysAreReady(page);
  await page.getByRole("tab", { name: "Cell measurements" }).click();
  await page.getByTestId("patient-examples").getByRole("button", { name: "Patient 5", exact: true }).click();
  await settled(page);
  const [benign] = await bars(page);
  assert.ok(Math.abs(benign.value - patients[4].probability) < TOLERANCE);
  assert.equal(await page.getByTestId("verdict").textContent(), "The model says benign.");
  await screenshot(page, "measurements");

  const radius = page.getByRole("spinbutton", { name: "worst radius" });
  await radius.fill("24.5");
  await page.getByTestId("patient-submit").click();
  await settled(page);
  const edited = await page.locator("#patient-fields input").evaluateAll((inputs) => inputs.map(({ name, valueAsNumber }) => [name, valueAsNumber]));
  const byName = new Map(edited);
  const { feature_names: names } = await (await page.request.get(`${stage.door.url}/data/patients.json`)).json();
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
  await keysAreReady(page);
  await page.getByTestId("digit-examples").getByRole("button", { name: "A 7 of the test set" }).click();
  await settled(page);
  const { evaluation_keys: keys, encryption_parameters: parameters, sizes } = await published(stage.server.url, "mnist_mlp");
  const ledger = await page.getByTestId("ledger").textContent();
  assert.ok(ledger.includes(`${(keys.bytes / 1e6).toFixed(2)}\u00a0MB`), ledger);
  // The body holds the ciphertext and less than 300 bytes around it.
  const request = Number(/input sent(\d+\.\d)\u00a0KB/.exec(ledger)?.[1]) * 1000;
  assert.ok(request > sizes.request_bytes && request < sizes.request_bytes + 300, ledger);
  const steps = page.getByTestId("steps");
  assert.deepEqual(await steps.locator("details").evaluateAll((all) => all.map(({ dataset }) => dataset.step)), ["discover", "secret", "keys", "encrypt", "infer", "decrypt"]);
  await steps.locator("summary", { hasText: "The input is encrypted" }).click();
  assert.match(await steps.locator('[data-step="encrypt"] pre').textContent(), /^0000 {2}43 4b 4b 53 02/);
  const cells = await steps.locator('[data-step="keys"] i').count();
  assert.equal(cells, keys.galois.length + (keys.relinearization ? 1 : 0));
  const log = await page.getByTestId("traffic").textContent();
  assert.equal(log.match(/PUT/g).length, cells);
  assert.match(log, /POST \/infer 200/);
  const logDegree = Math.log2(parameters.poly_modulus_degree);
  const security = await page.getByTestId("security").textContent();
  const told = /128 bits.*2\^(\d+), log2\(QP\) = (\d+) where (\d+)/.exec(security)?.slice(1).map(Number);
  // A prime of b bits is between 2^(b-1) and 2^b. 214 is the table's limit for 2^13.
  const bits = parameters.coeff_modulus_bits.reduce((sum, each) => sum + each, 0);
  assert.deepEqual([told[0], told[2]], [logDegree, 214], security);
  assert.ok(told[1] <= bits && told[1] >= bits - parameters.coeff_modulus_bits.length, security);
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
  await settled(page);
  stage.door.shut();
  await page.getByTestId("digit-examples").getByRole("button", { name: "A 2 of the test set" }).click();
  const notice = page.getByTestId("notice");
  await notice.waitFor();
  assert.match(await notice.textContent(), /cannot be reached.*NETWORK/s);
  await screenshot(page, "unreachable");
  stage.door.reopen();
  await notice.getByRole("button", { name: "Try again" }).click();
  await settled(page);
  assert.equal(await page.getByTestId("verdict").textContent(), "This is a 2.");
  assert.ok(await notice.isHidden());
  await close();
});

test("the page works with the keyboard alone", async () => {
  const { page, close } = await open();
  await keysAreReady(page);
  await page.getByRole("tab", { name: "A digit" }).focus();
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.evaluate(() => document.activeElement.id), "tab-patients");
  await page.getByTestId("patient-examples").getByRole("button").first().focus();
  await page.keyboard.press("Enter");
  await settled(page);
  assert.ok(await page.getByTestId("bars").locator("li").first().isVisible());
  await close();
});

everywhere("the page asks by itself, and the other model of digits answers the same question", async () => {
  const { page, complaints, close } = await open();
  await settled(page);
  assert.equal(await page.getByTestId("verdict").textContent(), "This is a 7.");
  const plain = await plainModel("mnist_cnn", [1, 28, 28]);
  await page.getByTestId("model").selectOption("mnist_cnn");
  await page.locator('[data-testid="answer"][data-state="busy"]').waitFor();
  await settled(page);
  const expected = await plain(digits.find(({ label }) => label === 7).pixels);
  const values = (await bars(page)).map(({ value }) => value);
  assert.ok(distance(values, expected) < TOLERANCE, `${values} against ${expected}`);
  assert.match(await page.getByTestId("code").textContent(), /api\.model\("mnist_cnn"/);
  assert.deepEqual(complaints, []);
  await close();
});

test("large keys are made when the visitor says so, small ones at once", async () => {
  const { page, complaints, close } = await open();
  await settled(page);
  const before = stage.door.sent().length;
  const { evaluation_keys: keys } = await published(stage.server.url, "mnist_lenet");
  const size = `${(keys.bytes / 1e6).toFixed(2)}\u00a0MB`;
  assert.equal(await page.getByTestId("model").locator('option[value="mnist_lenet"]').textContent(), `mnist_lenet (${size} of keys)`);
  await page.getByTestId("model").selectOption("mnist_lenet");
  await page.locator('[data-testid="keys"][data-state="offered"]').waitFor();
  assert.ok((await page.getByTestId("keys").textContent()).includes(size));
  await page.getByTestId("digit-examples").getByRole("button", { name: "A 2 of the test set" }).click();
  assert.doesNotMatch(stage.door.sent().subarray(before).toString("latin1"), /POST|PUT/);
  await page.getByTestId("keys-start").click();
  await settled(page);
  assert.equal(await page.getByTestId("verdict").textContent(), "This is a 2.");
  assert.ok(stage.door.sent().length - before > keys.bytes);
  assert.ok(await page.getByTestId("keys-start").isHidden());
  assert.deepEqual(complaints, []);
  await close();
});

test("the secret key goes with the page, and a visitor who comes back has a new one", async () => {
  const { page, close } = await open();
  await settled(page);
  assert.equal(page.workers().length, 1);
  await page.evaluate(() => dispatchEvent(new PageTransitionEvent("pagehide")));
  // The worker wipes the key and ends.
  while (page.workers().length > 0) await page.waitForTimeout(10);
  await page.goto("about:blank");
  await page.goBack();
  await settled(page);
  assert.equal(await page.getByTestId("verdict").textContent(), "This is a 7.");
  await close();
});

test("keys are read out when they are there, not one by one", async () => {
  const { page, close } = await openPage(stage.browser, stage.door.url, {
    prepare: (page) =>
      page.addInitScript(() => {
        globalThis.said = [];
        const listen = () => {
          const place = document.getElementById("keys-said");
          new MutationObserver(() => place.textContent && globalThis.said.push(place.textContent)).observe(place, { childList: true });
        };
        addEventListener("DOMContentLoaded", listen);
      }),
  });
  await settled(page);
  const said = await page.evaluate(() => globalThis.said);
  assert.equal(said.length, 1, said.join("\n"));
  assert.match(said[0], /^Evaluation keys: .* The secret key stays here\.$/);
  const live = await page.locator("[aria-live], [role=status], [role=alert], [role=log]").evaluateAll((all) => all.map(({ id, ariaLive }) => [id, ariaLive]));
  assert.equal(Object.fromEntries(live).traffic, "off");
  assert.ok(!live.some(([id]) => id === "keys-text"));
  await close();
});

test("the comparison on plain numbers is right, local and by choice", async () => {
  const { page, complaints, close } = await open();
  await settled(page);
  assert.equal(await page.getByTestId("compared").textContent(), "");
  const before = stage.door.sent().length;
  await page.getByTestId("compare").click();
  await page.locator('[data-testid="compared"][data-difference]').waitFor();
  const difference = Number(await page.getByTestId("compared").getAttribute("data-difference"));
  const values = (await bars(page)).map(({ value }) => value);
  const expected = digits.find(({ label }) => label === 7).probabilities;
  assert.ok(Math.abs(difference - distance(values, expected)) < 1e-5, `${difference} against ${distance(values, expected)}`);
  const sent = stage.door.sent().subarray(before).toString("latin1");
  assert.match(sent, /^GET \/data\/mnist_mlp\.onnx/);
  assert.doesNotMatch(sent, /POST|PUT/);
  await screenshot(page, "light");
  assert.deepEqual(complaints, []);
  await close();
});

everywhere("the page works below a path of another origin, against a server that it is told", async () => {
  const files = await serveFiles(join(ROOT, "dist/www"), { below: "/some/path/" });
  const { page, complaints, elsewhere, close } = await openPage(stage.browser, `${files.url}?api=${encodeURIComponent(stage.door.url)}`, { home: files.url });
  await page.getByRole("button", { name: "Ask this server" }).click();
  await settled(page);
  assert.equal(await page.getByTestId("verdict").textContent(), "This is a 7.");
  assert.deepEqual(elsewhere.filter((url) => !url.startsWith(stage.door.url)), [], "nothing but page and server");
  assert.deepEqual(complaints, []);
  await close();

  // Without being told, it says that there is no server, and offers to choose one.
  const alone = await openPage(stage.browser, files.url);
  await alone.page.getByTestId("notice").waitFor();
  await alone.page.getByRole("button", { name: "Server" }).click();
  await alone.page.getByTestId("server-url").fill(stage.door.url);
  await alone.page.getByRole("button", { name: "Connect" }).click();
  await settled(alone.page);
  await alone.close();
  files.close();
});

test("the page of the real server asks another one that the visitor names", async () => {
  const other = await startServer();
  const { page, complaints, elsewhere, close } = await open();
  try {
    await settled(page);
    assert.deepEqual(elsewhere, []);
    await page.getByRole("button", { name: "Server" }).click();
    await page.getByTestId("server-url").fill(other.url);
    const before = stage.door.sent().length;
    await page.getByRole("button", { name: "Connect" }).click();
    await page.waitForURL(/api=/);
    await settled(page);
    assert.equal(await page.getByTestId("verdict").textContent(), "This is a 7.");
    const asked = elsewhere.map((url) => url.replace(other.url, ""));
    assert.ok(asked.includes("/infer") && !asked.some((path) => path.startsWith("http")), asked.join(" "));
    assert.doesNotMatch(stage.door.sent().subarray(before).toString("latin1"), /POST|PUT/, "the first one is asked for the page alone");
    assert.deepEqual(complaints, []);
  } finally {
    await close();
    await other.stop();
  }
});

test("a token goes to the server it was entered for, and a server that a link names hears nothing unasked", async () => {
  const other = await record(stage.server.url);
  const token = "entered-for-the-first-server";
  const { page, complaints, close } = await open();
  const link = `${stage.door.url}/?api=${encodeURIComponent(other.url)}`;
  const isTold = (door) => door.sent().includes(`Bearer ${token}`);
  try {
    await page.getByRole("button", { name: "Server" }).click();
    await page.getByLabel("Token").fill(token);
    await page.getByRole("button", { name: "Connect" }).click();
    await page.waitForURL(/api=/);
    await settled(page);
    assert.ok(isTold(stage.door));

    await page.goto(link);
    const dialog = page.getByTestId("stranger");
    await dialog.waitFor();
    assert.ok((await dialog.textContent()).includes(other.url));
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Do not ask it");
    await screenshot(page, "stranger");
    await page.evaluate(await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8"));
    assert.deepEqual((await page.evaluate(() => globalThis.axe.run())).violations, []);
    await page.keyboard.press("Escape");
    await page.getByTestId("notice").waitFor();
    assert.match(await page.getByTestId("notice").textContent(), /Nothing was sent to .*DECLINED/s);
    assert.equal(other.sent().length, 0);
    await page.getByRole("button", { name: "Server" }).click();
    assert.equal(await page.getByTestId("server-url").inputValue(), `${stage.door.url}/`, "a server that was declined is not offered");
    await page.getByRole("button", { name: "Cancel" }).click();

    await page.getByRole("button", { name: "Try again" }).click();
    await dialog.getByRole("button", { name: "Ask this server" }).click();
    await settled(page);
    assert.match(other.sent().toString("latin1"), /GET \/models/);
    assert.ok(!isTold(other));
    // Agreed to for as long as the tab is there.
    await page.reload();
    await settled(page);
    assert.ok(!isTold(other));
    assert.deepEqual(complaints, []);
  } finally {
    await close();
    other.close();
  }
});

test("code to copy holds what a link and a server say as text", async () => {
  const name = 'x"); alert(1); </script>';
  const models = { api_version: "1.1", models: [{ ...(await published(stage.server.url, "mnist_mlp")), model_id: name }] };
  models.models[0].input.shape = ["1\nalert(2)", 28, 28];
  const { page, close } = await openPage(stage.browser, stage.door.url, {
    prepare: (page) => page.route("**/models", (route) => route.fulfill({ json: models })),
  });
  const code = page.getByTestId("code").filter({ hasText: "api.model(" });
  await code.waitFor();
  const text = await code.textContent();
  assert.equal(JSON.parse(/api\.model\((".*?[^\\]")\);/.exec(text)[1]), name);
  assert.doesNotMatch(text, /<|alert\(2\)/);
  await close();
});

test("an accessibility checker finds nothing", async () => {
  const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  for (const options of [DESKTOP, DARK, PHONE]) {
    const { page, close } = await open(options);
    await settled(page);
    for (const summary of await page.getByTestId("steps").locator("summary").all()) await summary.click();
    await page.getByTestId("compare").click();
    await page.locator('[data-testid="compared"][data-difference]').waitFor();
    if (options === DARK) await screenshot(page, "dark");
    const check = async () => {
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => globalThis.axe.run());
      assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join("; ")}`), []);
    };
    await check();
    await page.getByRole("tab", { name: "Cell measurements" }).click();
    await settled(page);
    await check();
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0, "nothing is wider than the screen");
    await close();
  }
});

test("the page is small, and never holds a frame up", async () => {
  const loaded = [];
  const { page, close } = await openPage(stage.browser, stage.door.url, {
    prepare: async (page) => {
      await trace(stage.browser, page);
      page.on("response", (response) => response.request().method() === "GET" && loaded.push(response.body()));
    },
  });
  await settled(page);
  const before = (await Promise.all(loaded)).reduce((sum, { length }) => sum + length, 0);
  for (const label of [1, 2, 3]) {
    await page.getByTestId("digit-examples").locator("button").nth(label).click();
    await settled(page);
  }
  const longest = await longestTask(stage.browser);
  assert.ok(before > 200_000 && before < MOST_BYTES, `${before} bytes before the first answer`);
  assert.ok(longest <= FRAME, `${longest} ms in one piece`);
  await close();
});
