// Deploys what `cargo xtask worker --build` has built: packages into the bucket, then the Worker and the page.
// `npm run deploy -- --packages DIR`; `--dry-run` does everything but send it.

import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { unstable_readConfig as readConfiguration } from "wrangler";

import { CONFIGURATION, SHIPPED, files, packagesBelow, startWorker } from "./worker.mjs";

const { values } = parseArgs({
  options: { packages: { type: "string" }, "dry-run": { type: "boolean", default: false } },
});
const packages = values.packages ? await packagesBelow(values.packages) : SHIPPED;

const log = [];
const worker = await startWorker({ packages, variables: { OPEN: "true", TOKENS: "" }, log: (line) => log.push(line) });
const ready = await fetch(`${worker.url}/ready`);
await worker.stop();
if (!ready.ok) {
  console.error(log.join("\n"));
  console.error("\nThe Worker does not start with these packages, so that nothing is deployed.");
  process.exit(1);
}
console.log(log.find((line) => line.includes('"message":"memory"')));

const wrangler = (...words) => {
  const program = fileURLToPath(import.meta.resolve("wrangler")).replace(/wrangler-dist.*/, "bin/wrangler.js");
  const env = { ...process.env, WRANGLER_SEND_METRICS: "false" };
  execFileSync(process.execPath, [program, ...words], { cwd: fileURLToPath(new URL("..", import.meta.url)), env, stdio: "inherit" });
};
const [{ bucket_name: bucket }] = readConfiguration({ config: CONFIGURATION }).r2_buckets;
const folder = await mkdtemp(join(tmpdir(), "packages-"));
try {
  for (const [name, bytes] of await files(packages)) {
    const file = join(folder, "file");
    await writeFile(file, bytes);
    if (values["dry-run"]) console.log(`${bucket}/${name}: ${bytes.length} bytes`);
    else wrangler("r2", "object", "put", `${bucket}/${name}`, "--file", file, "--remote");
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
wrangler("deploy", ...(values["dry-run"] ? ["--dry-run"] : []));
