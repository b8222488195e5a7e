// From nothing to the first encryption in a page, in a fresh profile of Chromium each time: the page imports the
// package and encrypts with keys that it has at hand.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { connect } from "encrypted-inference";

import { openPage } from "./chromium.mjs";
import { serveFiles } from "./files.mjs";
import { ROOT } from "./server.mjs";

const PACKAGE = join(ROOT, "client-wasm/js");
const RUNS = 15;

/** Marks when the module is compiled, whichever way that is done. */
const MARK_MODULE = `for (const name of ["compile", "compileStreaming"]) {
  const compile = WebAssembly[name];
  WebAssembly[name] = async (source) => {
    const module = await compile.call(WebAssembly, source);
    performance.mark("compiled");
    return module;
  };
}`;

/** A page with keys and a sample written into it. */
const visit = (keys, input) => `<!doctype html><title>first encryption</title><link rel="icon" href="data:,"><script type="module">
  import { openKeys } from "/dist/index.js";
  const keys = Uint8Array.from(atob("${Buffer.from(keys).toString("base64")}"), (char) => char.charCodeAt(0));
  const model = await openKeys(keys);
  const { input } = await model.encrypt(${JSON.stringify([...input])});
  performance.mark("encrypted");
  document.title = String(input.length);
</script>`;

/** Milliseconds of visits to a page: from its navigation, and from when the module is compiled. */
async function times(browser, address) {
  const { page, complaints, close } = await openPage(browser, address, { prepare: (page) => page.addInitScript(MARK_MODULE) });
  const marks = await page.waitForFunction(() => {
    const [compiled, encrypted] = ["compiled", "encrypted"].map((name) => performance.getEntriesByName(name)[0]?.startTime);
    return encrypted !== undefined && { navigated: encrypted, compiled: encrypted - compiled };
  });
  const found = await marks.jsonValue();
  if (page.workers().length !== 1 || complaints.length > 0) throw new Error(`the page does not work: ${complaints}`);
  await close();
  return found;
}

/** Medians and the longest for a model, in milliseconds; what is encrypted is `input`. */
export async function firstInPage(browser, server, name, input) {
  const model = await (await connect(server.url)).model(name);
  await model.prepareKeys();
  const keys = await model.exportKeys();
  await model.close();
  const files = await serveFiles(PACKAGE, { pages: { "/visit.html": visit(keys, input) } });
  const runs = [];
  for (let i = 0; i < RUNS; i += 1) runs.push(await times(browser, `${files.url}visit.html`));
  files.close();
  const of = (what) => {
    const sorted = runs.map((run) => run[what]).sort((a, b) => a - b);
    return { median: sorted[RUNS >> 1], longest: sorted.at(-1) };
  };
  return { navigated: of("navigated"), compiled: of("compiled") };
}

/** Bytes of the module as a server sends it compressed. */
export const moduleBytes = async () => gzipSync(await readFile(join(PACKAGE, "wasm/simd.wasm")), { level: 9 }).length;
