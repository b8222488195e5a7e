// The packed npm package in pages: as files, and through bundlers without any configuration that concerns it.
// Each page runs in Chromium and in Firefox.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { build as esbuild } from "esbuild";
import { chromium } from "playwright-core";
import puppeteer from "puppeteer-core";
import * as vite from "vite";
import webpack from "webpack";

import { serveFiles } from "../e2e/files.mjs";
import { ROOT, startServer } from "../e2e/server.mjs";
import { FLAGS, PATIENT, TOLERANCE, pack, program, project, temporary, write } from "./project.mjs";

/** Page and scripts come from the same place, as at most sites; evaluation of text is not allowed, WebAssembly is. */
const POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; connect-src *";

const SCREENSHOTS = join(ROOT, "tests/e2e/results");

const PAGE = (script) => `<!doctype html><title>waiting</title><script type="module" src="${script}"></script>`;
const SOURCE = program({
  url: 'new URL(location.href).searchParams.get("api")',
  answer: 'document.title = `done ${JSON.stringify(values)}`;',
});
/** Errors end up in the title too, so that no test waits in vain. */
const WATCHED = `addEventListener("error", ({ message }) => (document.title = "failed " + message));
addEventListener("unhandledrejection", ({ reason }) => (document.title = "failed " + reason));
import("./main.js").catch((error) => (document.title = "failed " + error));`;

let server;
let temp;
let folder;
let browsers;
before(async () => {
  temp = await temporary();
  await mkdir(SCREENSHOTS, { recursive: true });
  const [started, { tarball }] = await Promise.all([startServer(), pack(temp.folder)]);
  server = started;
  folder = await project(join(temp.folder, "page"), tarball, {
    "index.html": PAGE("./watched.js"),
    "watched.js": WATCHED,
    "main.js": SOURCE,
    "plain/index.html": PAGE("./watched.js"),
    "plain/watched.js": WATCHED,
    "plain/main.js": SOURCE.replace('"encrypted-inference"', '"../node_modules/encrypted-inference/dist/index.js"'),
  });
  browsers = {
    Chromium: await openChromium(),
    Firefox: await openFirefox(),
  };
});
after(async () => {
  for (const browser of Object.values(browsers ?? {})) await browser.close();
  await server?.stop();
  await temp?.remove();
});

async function openChromium() {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: FLAGS });
  return { close: () => browser.close(), page: async () => (await browser.newContext()).newPage() };
}

async function openFirefox() {
  const browser = await puppeteer.launch({ browser: "firefox", executablePath: process.env.FIREFOX, headless: true });
  return { close: () => browser.close(), page: () => browser.newPage() };
}

/** Opens a page, waits for its prediction, compares it. */
async function predicts(browser, url) {
  const page = await browser.page();
  await page.goto(`${url}?api=${encodeURIComponent(server.url)}`);
  const title = await ended(page);
  assert.match(title, /^done /, title);
  const [value] = JSON.parse(title.slice("done ".length));
  assert.ok(Math.abs(value - PATIENT.probability) < TOLERANCE, `${value} against ${PATIENT.probability}`);
  await page.close();
}

async function ended(page) {
  for (let i = 0; i < 300; i += 1) {
    const title = await page.title();
    if (title !== "waiting" && title !== "") return title;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return "failed: it took too long";
}

/** What a build of the page leads to; `isWhole` tells that nothing was looked for in vain. */
async function inBoth(context, root, { below, page = "", isWhole }) {
  for (const [name, browser] of Object.entries(browsers)) {
    await context.test(name, async () => {
      const files = await serveFiles(root, { below, headers: () => ({ "content-security-policy": POLICY }) });
      try {
        await predicts(browser, files.url + page);
        const inlined = files.asked.some((path) => path.includes("inline-files"));
        if (isWhole) {
          assert.deepEqual(files.missing, []);
          assert.ok(!inlined && files.asked.some((path) => path.endsWith(".wasm")), files.asked.join(" "));
          assert.ok(files.asked.some((path) => /worker[\w.-]*\.js$/.test(path) || /^\/\d+\.js$/.test(path)), files.asked.join(" "));
        }
      } finally {
        files.close();
      }
    });
  }
}

test("files without a bundler, below a path", (context) => inBoth(context, folder, { below: "/some/path/", page: "plain/", isWhole: true }));

test("the package from another origin, as from a CDN", async (context) => {
  const [packages, scripts] = [join(folder, "node_modules"), { "access-control-allow-origin": "*" }];
  const cdn = await serveFiles(packages, { headers: () => scripts });
  const source = SOURCE.replace('"encrypted-inference"', JSON.stringify(`${cdn.url}encrypted-inference/dist/index.js`));
  const pages = { "/index.html": PAGE("./watched.js"), "/watched.js": WATCHED, "/main.js": source };
  // What a page allows that trusts the other origin with its scripts.
  const policy = POLICY.replace("script-src 'self'", `script-src 'self' ${new URL(cdn.url).origin}`);
  const site = await serveFiles(temp.folder, { pages, headers: () => ({ "content-security-policy": policy }) });
  context.after(() => (cdn.close(), site.close()));
  for (const [name, browser] of Object.entries(browsers)) {
    await context.test(name, async () => {
      cdn.asked.length = 0;
      await predicts(browser, site.url);
      assert.deepEqual([...site.missing, ...cdn.missing], []);
      // A worker's script has to be of the page's origin: the copy inside of a script is.
      assert.ok(cdn.asked.some((path) => path.endsWith("inline-files.js")), cdn.asked.join(" "));
      assert.ok(cdn.asked.some((path) => path.endsWith(".wasm")), cdn.asked.join(" "));
    });
  }
});

test("Vite, built", async (context) => {
  const outDir = join(temp.folder, "vite");
  await vite.build({ root: folder, configFile: false, base: "./", logLevel: "error", build: { outDir, emptyOutDir: true } });
  await inBoth(context, outDir, { isWhole: true });
});

test("Vite, while developing", async (context) => {
  const dev = await vite.createServer({ root: folder, configFile: false, logLevel: "silent", server: { host: "127.0.0.1", port: 0 } });
  await dev.listen();
  try {
    const url = `http://127.0.0.1:${dev.httpServer.address().port}/`;
    for (const [name, browser] of Object.entries(browsers)) await context.test(name, () => predicts(browser, url));
  } finally {
    await dev.close();
  }
});

test("webpack", async (context) => {
  const path = join(temp.folder, "webpack");
  const compiler = webpack({ mode: "production", context: folder, entry: "./watched.js", output: { path, publicPath: "auto" } });
  const stats = await new Promise((resolve, reject) => compiler.run((error, done) => (error ? reject(error) : resolve(done))));
  assert.ok(!stats.hasErrors(), stats.toString("errors-only"));
  await copyPage(path, "./main.js");
  await inBoth(context, path, { isWhole: true });
});

test("esbuild, which leaves worker and module behind", async (context) => {
  const outdir = join(temp.folder, "esbuild");
  await esbuild({ entryPoints: [join(folder, "watched.js")], bundle: true, format: "esm", outdir, logLevel: "warning" });
  await copyPage(outdir, "./watched.js");
  await inBoth(context, outdir, { isWhole: false });
});

test("the demonstration page", async (context) => {
  const files = await serveFiles(join(ROOT, "dist/www"));
  context.after(files.close);
  for (const [name, browser] of Object.entries(browsers)) {
    await context.test(name, async () => {
      const page = await browser.page();
      await page.goto(`${files.url}?api=${encodeURIComponent(server.url)}`);
      // The server of another origin is asked once the visitor agrees.
      const agree = () => page.evaluate(() => {
        const { open } = document.getElementById("stranger");
        if (open) document.querySelector('#stranger [value="agree"]').click();
        return open;
      });
      for (let i = 0; i < 100 && !(await agree()); i += 1) await new Promise((resolve) => setTimeout(resolve, 50));
      const verdict = () => page.evaluate(() => document.getElementById("verdict").textContent);
      for (let i = 0; i < 300 && (await verdict()).startsWith("Nothing"); i += 1) await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal(await verdict(), "This is a 7.");
      await page.screenshot({ path: join(SCREENSHOTS, `${name.toLowerCase()}.png`), fullPage: true });
      await page.close();
    });
  }
});

async function copyPage(to, script) {
  await write(to, { "index.html": PAGE(script) });
}
