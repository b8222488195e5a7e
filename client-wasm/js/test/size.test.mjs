import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

/** What a visitor may have to download before the first encryption. */
const BUDGET_BYTES = 150_000;

test("each WebAssembly module is within the budget when compressed", async () => {
  const folder = new URL("../wasm/", import.meta.url);
  const modules = (await readdir(folder)).filter((name) => name.endsWith(".wasm"));
  assert.ok(modules.length > 0, "there is a module");
  for (const name of modules) {
    const { length } = gzipSync(await readFile(new URL(name, folder)), { level: 9 });
    assert.ok(length < BUDGET_BYTES, `${name} has ${length} bytes compressed, ${BUDGET_BYTES} are the budget`);
  }
});
