// How long a visitor waits: from opening the page to the first answer with new keys, then for another answer; from
// opening a page that imports the package to the first encryption; and for the operations after it. Medians, over fresh
// profiles of Chromium where something is the first, on loopback: one line of JSON.

import { openPage, startChromium } from "./chromium.mjs";
import { firstInPage, moduleBytes } from "./first-in-page.mjs";
import { operationsInPage } from "./operations.mjs";
import { EXAMPLES } from "./plain.mjs";
import { startServer } from "./server.mjs";

const VISITS = 15;
const MORE = [1, 2, 3, 4, 5];
/** What the page calls the step that makes and uploads keys. */
const KEYS = "evaluation keys, made and uploaded";

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

const [server, browser] = await Promise.all([startServer(), startChromium()]);
const url = server.url.replace("127.0.0.1", "localhost");
const firsts = [];
const seconds = [];
const steps = new Map();
let loaded = [];
for (let visit = 0; visit < VISITS; visit += 1) {
  const bodies = [];
  const prepare = (page) => page.on("response", (response) => response.request().method() === "GET" && bodies.push(response.body()));
  const { page, close } = await openPage(browser, url, visit === 0 ? { prepare } : {});
  const settled = () => page.locator('[data-testid="answer"][data-state="answered"]').waitFor();
  await settled();
  if (visit === 0) loaded = await Promise.all(bodies);
  const start = page.getByTestId("start");
  firsts.push(Number(await start.getAttribute("data-total")));
  for (const [title, time] of await start.locator("li[data-ms]").evaluateAll((all) => all.map((item) => [item.firstChild.textContent, Number(item.dataset.ms)]))) {
    steps.set(title, [...(steps.get(title) ?? []), time]);
  }
  for (const label of MORE) {
    // In the page, so that the time has nothing of the test's own.
    seconds.push(
      await page.evaluate(async (label) => {
        const begun = performance.now();
        document.querySelectorAll("#digit-examples button")[label].click();
        const answer = document.getElementById("answer");
        while (answer.dataset.state !== "answered") await new Promise((resolve) => requestAnimationFrame(resolve));
        return performance.now() - begun;
      }, label),
    );
  }
  await close();
}
const models = [];
for (const [name, input] of Object.entries(EXAMPLES)) {
  models.push({ ...(await firstInPage(browser, server, name, input)), ...(await operationsInPage(browser, server, name, input)) });
}
await browser.close();
await server.stop();
const rounded = (value) => Math.round(value * 10) / 10;
const breakdown = Object.fromEntries([...steps].map(([title, times]) => [title, rounded(median(times))]));
if (!(KEYS in breakdown)) throw new Error(`the page has no step called ${KEYS}`);
console.log(
  JSON.stringify({
    visits: VISITS,
    loaded_bytes: loaded.reduce((sum, { length }) => sum + length, 0),
    module_bytes: await moduleBytes(),
    first_ms: rounded(median(firsts)),
    slowest_first_ms: rounded(Math.max(...firsts)),
    keys_ms: breakdown[KEYS],
    breakdown,
    another_ms: rounded(median(seconds)),
    slowest_another_ms: rounded(Math.max(...seconds)),
    models,
  }),
);
