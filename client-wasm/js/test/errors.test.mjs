import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { CODES, EncryptedInferenceError } from "encrypted-inference";

const root = new URL("../../../", import.meta.url);

test("every error of the protocol has a code here, with what to do", async () => {
  const text = await readFile(new URL("docs/api.md", root), "utf8");
  const table = [...text.matchAll(/^\| `([A-Z_]+)` \| (\d{3}) \|/gm)].map(([, code]) => code);
  assert.ok(table.length > 25, "the table was found");
  assert.deepEqual(table.filter((code) => !CODES.includes(code)), []);
  for (const code of table) assert.ok(new EncryptedInferenceError(code, "It failed").advice, code);
});

test("every error of the bindings has a code here", async () => {
  const sources = await Promise.all(["client/src/error.rs", "client-wasm/src/error.rs"].map((path) => readFile(new URL(path, root), "utf8")));
  const codes = [...sources.join("\n").matchAll(/(?:=> |with_code\()"([A-Z_]+)"/g)].map(([, code]) => code);
  assert.ok(codes.length >= 8, "they were found");
  assert.deepEqual(codes.filter((code) => !CODES.includes(code)), []);
});

test("a message says what happened and then what to do", () => {
  const cause = new Error("socket closed");
  const error = new EncryptedInferenceError("NETWORK", "GET /models: the server cannot be reached", { retryable: true, cause });
  assert.equal(
    error.message,
    "GET /models: the server cannot be reached. Check the connection and call again: what was done already is not done twice.",
  );
  assert.equal(error.cause, cause);
  assert.ok(error instanceof Error);
  assert.equal(new EncryptedInferenceError("NEWER_CODE", "It failed").message, "It failed.");
  assert.equal(new EncryptedInferenceError("constructor", "It failed").advice, "");
});
