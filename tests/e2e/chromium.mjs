// A real Chromium, and pages in it whose complaints a test sees.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const SCREENSHOTS = fileURLToPath(new URL("results/", import.meta.url));
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

export const DESKTOP = { viewport: { width: 1280, height: 900 }, colorScheme: "light" };
export const DARK = { ...DESKTOP, colorScheme: "dark" };
export const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true, colorScheme: "dark" };

/** Starts it. */
export async function startChromium() {
  const executablePath = process.env.CHROMIUM;
  assert.ok(executablePath, "CHROMIUM must be the path of a Chromium; `cargo xtask test browser` sets it");
  await mkdir(SCREENSHOTS, { recursive: true });
  return chromium.launch({ executablePath, args: FLAGS });
}

/**
 * Opens an address in a profile of its own. Whatever goes wrong in the page unexpectedly ends up in `complaints`,
 * requests to other origins than `home` in `elsewhere`.
 */
export async function openPage(browser, address, { options = DESKTOP, home = address, prepare } = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const complaints = [];
  const elsewhere = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("request", (request) => request.url().startsWith(home) || elsewhere.push(request.url()));
  await prepare?.(page);
  await page.goto(address);
  return { page, complaints, elsewhere, close: () => context.close() };
}

/** A frame at 60 a second, in milliseconds. */
export const FRAME = 16;

/** Begins to record what a page's threads do. */
export const trace = (browser, page) => browser.startTracing(page, { categories: ["toplevel", "blink.user_timing"] });

/**
 * Ends the recording: the longest piece of work of the thread that set the mark `started`, after it, in milliseconds
 * of the processor's time, which other programs do not lengthen.
 */
export async function longestTask(browser) {
  const { traceEvents } = JSON.parse(await browser.stopTracing());
  const mark = traceEvents.find(({ name }) => name === "started");
  const own = ({ name, pid, tid, ts, tdur }) =>
    name === "ThreadControllerImpl::RunTask" && pid === mark.pid && tid === mark.tid && ts > mark.ts && tdur !== undefined;
  const tasks = traceEvents.filter(own);
  assert.ok(tasks.length > 100, `${tasks.length} pieces of work were seen`);
  return Math.max(...tasks.map(({ tdur }) => tdur / 1000));
}

/** Takes a picture of the whole page, for people to look at. */
export const screenshot = (page, name) => page.screenshot({ path: `${SCREENSHOTS}${name}.png`, fullPage: true });

/** The secret keys of a page, asked of its workers in the package's own words. */
export const secretKeys = (page) =>
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
