// The command line by itself: its key file, and what it prints of a server that wants to write on the terminal.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, link, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { decode } from "cborg";

import { keyFile } from "../bin/key-file.mjs";
import { MODEL, PARAMETERS, answer, fakeServer } from "./support.mjs";

const PROGRAM = fileURLToPath(new URL("../bin/encrypted-inference.mjs", import.meta.url));

let folder;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "encrypted-inference-"));
});
after(() => rm(folder, { recursive: true, force: true }));

test("a key file is its owner's alone, whatever was there before, and is replaced whole", async () => {
  const path = join(folder, "secret.keys");
  const store = keyFile(path);
  assert.equal(await store.load(), undefined);
  await writeFile(path, "old", { mode: 0o644 });
  await chmod(path, 0o644);
  // What a program that ends in the middle of a change would leave is what stands under another name of the same file.
  await link(path, `${path}.before`);
  await store.save("", new TextEncoder().encode("new"));
  assert.equal(await readFile(path, "utf8"), "new");
  assert.equal(await readFile(`${path}.before`, "utf8"), "old");
  if (process.platform !== "win32") assert.equal((await stat(path)).mode & 0o777, 0o600);

  await symlink(path, `${path}.link`);
  await keyFile(`${path}.link`).save("", new TextEncoder().encode("newer"));
  assert.equal(await readFile(path, "utf8"), "newer");
  // A folder cannot be replaced by a file.
  await assert.rejects(keyFile(folder).save("", new Uint8Array(1)));
  assert.deepEqual((await readdir(folder)).sort(), ["secret.keys", "secret.keys.before", "secret.keys.link"], "nothing is left over");
  assert.ok(!(await readdir(tmpdir())).some((name) => name.startsWith(`${folder.split("/").pop()}.`)));
  await store.delete();
  assert.equal(await store.load(), undefined);
});

/** Sequences that clear the screen, write its title, turn the order of letters, and pretend another line. */
const HOSTILE = "\u001b[2J\u001b]0;title\u0007\u009b31m\u202eabc\r\nwarning: none\u007f";
/* eslint-disable-next-line no-control-regex */
const OBEYED = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

test("a terminal obeys nothing that a server says", async () => {
  const model = { ...MODEL, description: HOSTILE, input: { ...MODEL.input, shape: [HOSTILE] } };
  const answers = {
    "/models": { api_version: "1.1", models: [model] },
    "/keys": { parameter_sets: [PARAMETERS] },
  };
  const server = createServer(({ method, url }, response) => {
    const known = method === "GET" && answers[url];
    const problem = { code: `CODE${HOSTILE}`, status: 409, detail: HOSTILE, retryable: false };
    response.writeHead(known ? 200 : 409, { "content-type": "application/json" }).end(JSON.stringify(known || problem));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${server.address().port}`;
  const run = async (...words) => {
    const child = spawn(process.execPath, [PROGRAM, ...words]);
    let out = "";
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (out += text));
    await once(child, "close");
    return out;
  };
  try {
    const listed = await run("models", url);
    assert.match(listed, /^sum 1\.2\.0\n.*\[2J.*title.*warning: none.*\n.*values/);
    const json = await run("models", url, "--json");
    assert.equal(JSON.parse(json)[0].description, HOSTILE);
    answers["/models"].models = [MODEL];
    const refused = await run("predict", url, "sum", "--random");
    assert.match(refused, /^error: CODE.*\[2J.*warning: none/);
    for (const text of [listed, json, refused]) assert.doesNotMatch(text, OBEYED);
  } finally {
    server.close();
  }
});

test("keys of an earlier version of the model are put aside, those of another model are not touched", async () => {
  let model = MODEL;
  const fake = fakeServer(({ path }) => (path === "/models" ? answer(200, { api_version: "1.1", models: [model] }) : undefined));
  const server = createServer(async ({ method, url, headers }, response) => {
    const { status, body } = await fake.fetch(`https://server.test${url}`, { method, headers });
    response.writeHead(status, { "content-type": "application/cbor" }).end(body && Buffer.from(await new Response(body).arrayBuffer()));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const place = await mkdtemp(join(folder, "upgrade-"));
  const path = join(place, "secret.keys");
  const keys = async (name) => {
    const child = spawn(process.execPath, [PROGRAM, "keys", `http://127.0.0.1:${server.address().port}`, name, "--keys", path]);
    let told = "";
    child.stderr.setEncoding("utf8").on("data", (text) => (told += text));
    const [code] = await once(child, "close");
    return { code, told, files: (await readdir(place)).sort() };
  };
  const versionIn = async (file) => decode(await readFile(join(place, file))).model.version;
  try {
    assert.deepEqual((await keys("sum")).files, ["secret.keys"]);
    model = { ...MODEL, version: "2.0.0" };
    const upgraded = await keys("sum");
    assert.equal(upgraded.code, 0, upgraded.told);
    assert.equal(upgraded.files.length, 2);
    assert.ok(upgraded.told.includes(upgraded.files[1]), upgraded.told);
    assert.deepEqual(await Promise.all(upgraded.files.map(versionIn)), ["2.0.0", MODEL.version]);
    assert.equal((await keys("sum")).files.length, 2, "the new keys stay");
    model = { ...MODEL, model_id: "product" };
    const other = await keys("product");
    assert.deepEqual([other.code, other.files], [1, upgraded.files]);
    assert.match(other.told, /KEYS_MISMATCH/);
  } finally {
    server.close();
  }
});
