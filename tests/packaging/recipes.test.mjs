// The recipes of the package's documentation, as they stand there, built by Vite and run in Chromium, the components in
// Firefox too: it has neither background sync nor Chromium's way to load an extension.

import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { svelte } from "@sveltejs/vite-plugin-svelte";
import react from "@vitejs/plugin-react";
import vue from "@vitejs/plugin-vue";
import { chromium } from "playwright-core";
import puppeteer from "puppeteer-core";
import * as vite from "vite";

import { serveFiles } from "../e2e/files.mjs";
import { ROOT, startServer } from "../e2e/server.mjs";
import { DIGIT, FLAGS, pack, project, temporary, write } from "./project.mjs";

const TEXT = await readFile(join(ROOT, "client-wasm/js/docs/recipes.md"), "utf8");
const { label: LABEL, pixels } = DIGIT;
const SAMPLE = JSON.stringify(pixels);
const PAGE = (script) => `<!doctype html><title>waiting</title><link rel="icon" href="data:,"><main id="place"></main><script type="module" src="${script}"></script>`;

let server;
let temp;
let folder;
let browser;
let firefox;
before(async () => {
  temp = await temporary();
  const [started, { tarball }] = await Promise.all([startServer(), pack(temp.folder)]);
  server = started;
  // Below this folder, so that the frameworks are found as if they were installed beside the package.
  folder = await mkdtemp(fileURLToPath(new URL("recipe-", import.meta.url)));
  await project(folder, tarball, {});
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: FLAGS });
  firefox = await puppeteer.launch({ browser: "firefox", executablePath: process.env.FIREFOX, headless: true });
});
after(async () => {
  await browser?.close();
  await firefox?.close();
  await server?.stop();
  await temp?.remove();
  if (folder) await rm(folder, { recursive: true, force: true });
});

/** The blocks of code of a recipe in a language, with the address of a server that exists. */
function blocks(title, language) {
  const recipe = TEXT.split(/^## /m).find((part) => part.startsWith(title));
  const found = [...recipe.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map(([, code]) => code);
  assert.ok(found.length > 0, `${title} has ${language}`);
  return found.map((code) => code.replaceAll("https://inference.example", server.url));
}

/** Builds a project and opens it for the time of a test; what goes wrong in the page ends up in `complaints`. */
async function open(test, name, files, { plugins = [], input = ["index.html"], served = {} } = {}) {
  const root = join(folder, name);
  await write(root, files);
  const outDir = join(temp.folder, name);
  const output = { entryFileNames: "[name].js" };
  const rollupOptions = { input: input.map((path) => join(root, path)), output };
  await vite.build({ root, configFile: false, base: "./", logLevel: "error", plugins, build: { outDir, emptyOutDir: true, rollupOptions } });
  const site = await serveFiles(outDir, served);
  test.after(site.close);
  const context = await browser.newContext();
  test.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  await page.goto(site.url);
  return { page, url: site.url, complaints };
}

/** Waits in Firefox until the text of an element has some words. */
async function shows(page, selector, words) {
  for (let waited = 0; waited < 20_000; waited += 50) {
    const text = await page.evaluate((selector) => document.querySelector(selector)?.textContent, selector);
    if (text?.includes(words)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(`${selector} does not show ${words}`);
}

const PROPERTIES = () => `{ url: ${JSON.stringify(server.url)}, sample: location.hash === "#wrong" ? [1, 2, 3] : ${SAMPLE} }`;
/** Takes a component away while its model is being opened, which starts a worker. */
const LEAVE = `if (location.hash === "#leave") {
  globalThis.Worker = class extends Worker {
    constructor(...words) {
      super(...words);
      setTimeout(() => { leave(); document.title = "left"; });
    }
  };
}`;

const COMPONENTS = {
  React: () => ({
    plugins: [react()],
    files: {
      "Classifier.jsx": blocks("React", "jsx")[0],
      "main.js": `import { createElement } from "react";
        import { createRoot } from "react-dom/client";
        import { Classifier } from "./Classifier.jsx";
        const root = createRoot(document.getElementById("place"));
        root.render(createElement(Classifier, ${PROPERTIES()}));
        const leave = () => root.unmount();
        ${LEAVE}`,
    },
  }),
  Svelte: () => ({
    plugins: [svelte({ configFile: false })],
    files: {
      "Classifier.svelte": blocks("Svelte", "svelte")[0],
      "main.js": `import { mount, unmount } from "svelte";
        import Classifier from "./Classifier.svelte";
        const mounted = mount(Classifier, { target: document.getElementById("place"), props: ${PROPERTIES()} });
        const leave = () => unmount(mounted);
        ${LEAVE}`,
    },
  }),
  Vue: () => ({
    plugins: [vue()],
    files: {
      "Classifier.vue": blocks("Vue", "vue")[0],
      "main.js": `import { createApp } from "vue";
        import Classifier from "./Classifier.vue";
        const app = createApp(Classifier, ${PROPERTIES()});
        app.mount("#place");
        const leave = () => app.unmount();
        ${LEAVE}`,
    },
  }),
};

for (const [name, component] of Object.entries(COMPONENTS)) {
  test(`a component of ${name}`, async (context) => {
    const { plugins, files } = component();
    const { page, url, complaints } = await open(context, name, { "index.html": PAGE("./main.js"), ...files }, { plugins });
    await page.locator("output", { hasText: String(LABEL) }).waitFor();

    const visit = async (hash) => {
      await page.evaluate((hash) => (location.hash = hash), hash);
      await page.reload();
    };
    await visit("wrong");
    await page.getByRole("alert").filter({ hasText: "The model takes 784 values, found 3" }).waitFor();
    await visit("leave");
    await page.waitForFunction(() => document.title === "left");
    for (let waited = 0; page.workers().length > 0; waited += 10) {
      assert.ok(waited < 10_000, "the model is not closed");
      await page.waitForTimeout(10);
    }
    assert.deepEqual(complaints, []);

    await context.test("in Firefox", async (context) => {
      const page = await firefox.newPage();
      context.after(() => page.close());
      await page.goto(url);
      await shows(page, "output", String(LABEL));
      await page.evaluate(() => (location.hash = "#wrong"));
      await page.reload();
      await shows(page, '[role="alert"]', "The model takes 784 values, found 3");
    });
  });
}

test("a service worker that sends what a page has encrypted", async (context) => {
  const [page, worker] = blocks("A service worker", "js");
  const files = {
    "index.html": PAGE("./main.js"),
    "page.js": page,
    "sw.js": worker,
    "main.js": `import { answer, ask } from "./page.js";
      const name = await ask(${SAMPLE});
      const look = async () => {
        const found = await answer(name);
        if (found) document.title = "a " + found.best.label;
        else setTimeout(look, 100);
      };
      await look();`,
  };
  const opened = await open(context, "service-worker", files, { input: ["index.html", "sw.js"] });
  const answered = () => opened.page.waitForFunction((label) => document.title === `a ${label}`, LABEL);
  await answered();
  // At the next visit the page is offline; the service worker is not.
  let refused = 0;
  await opened.page.route(`${server.url}/**`, (route) => (refused++, route.abort()));
  await opened.page.reload();
  await answered();
  assert.ok(refused > 0, "the page tried");
  opened.complaints = opened.complaints.filter((text) => !text.includes("ERR_FAILED"));
  assert.deepEqual(opened.complaints, []);
});

test("a browser extension", async () => {
  const [manifest] = blocks("A browser extension", "json").map((text) => JSON.parse(text));
  const [background] = blocks("A browser extension", "js");
  const extension = join(temp.folder, "extension");
  await cp(join(folder, "node_modules/encrypted-inference"), join(extension, "encrypted-inference"), { recursive: true });
  await write(extension, {
    // What a browser asks of every extension, beside what the recipe is about.
    "manifest.json": JSON.stringify({ name: "recipe", version: "1", ...manifest }).replace("https://inference.example", server.url),
    "background.js": background,
    "page.html": PAGE("page.js"),
    "page.js": `document.title = JSON.stringify(await chrome.runtime.sendMessage(${SAMPLE}));`,
  });
  const flags = [...FLAGS, `--disable-extensions-except=${extension}`, `--load-extension=${extension}`];
  const context = await chromium.launchPersistentContext("", { executablePath: process.env.CHROMIUM, args: flags });
  try {
    const worker = context.serviceWorkers()[0] ?? (await context.waitForEvent("serviceworker", { timeout: 20_000 }));
    const page = await context.newPage();
    await page.goto(new URL("page.html", worker.url()).href);
    await page.waitForFunction(() => document.title !== "waiting", undefined, { timeout: 20_000 });
    assert.equal(JSON.parse(await page.title()).label, String(LABEL));
  } finally {
    await context.close();
  }
});
