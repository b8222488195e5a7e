// What can be known of a deployment without an account: the configuration is as Wrangler wants it, and everything
// that it names is there.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { promisify } from "node:util";

import { versionsOf } from "./support.mjs";

const FOLDER = fileURLToPath(new URL("..", import.meta.url));
/** The least that Cloudflare's plans have allowed a script to have when it is compressed. */
const COMPRESSED_KIB = 3 * 1024;

const deploy = (...words) =>
  promisify(execFile)(process.execPath, ["local/deploy.mjs", "--dry-run", ...words], {
    cwd: FOLDER,
    env: { ...process.env, NO_COLOR: "1" },
  });

test("a deployment goes through to where it would be sent, without a warning", async () => {
  const { stdout, stderr } = await deploy();
  assert.doesNotMatch(stdout + stderr, /warning|unexpected|deprecated/i);
  for (const name of ["SERVICE (InferenceService)", "BUCKET", "TENANT_RATE", "ADDRESS_RATE", "OPEN"]) {
    assert.ok(stdout.includes(`env.${name}`), `${name} in\n${stdout}`);
  }
  assert.match(stdout, /packages\/mnist_cnn-1\.0\.0\/weights\.bin: \d+ bytes/);
  assert.match(stdout, /"message":"memory"/);
  const compressed = Number(/gzip: ([\d.]+) KiB/.exec(stdout)?.[1]);
  assert.ok(compressed > 100 && compressed <= COMPRESSED_KIB, `${compressed} KiB`);
});

test("packages that do not fit are not deployed", async () => {
  const { folder, remove } = await versionsOf("mnist_lenet", 8);
  await assert.rejects(deploy("--packages", folder), (error) => {
    assert.match(error.stderr, /mnist_lenet 1\.0\.\d does not fit/);
    assert.match(error.stderr, /nothing is deployed/);
    assert.doesNotMatch(error.stdout, /weights\.bin/);
    return true;
  });
  await remove();
});
