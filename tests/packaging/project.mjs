// Fresh projects that have the packed npm package installed, as a stranger has it.

import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

import { ROOT } from "../e2e/server.mjs";

const run = promisify(execFile);
const NPM = process.platform === "win32" ? "npm.cmd" : "npm";

const read = async (path) => JSON.parse(await readFile(join(ROOT, "models", path), "utf8"));

/** What is asked, and what the model says of it on plain numbers. */
const { patients } = await read("breast_cancer_logistic/demo_patients.json");
export const PATIENT = patients[0];
const { digits } = await read("mnist_mlp/demo_digits.json");
export const DIGIT = digits.find(({ label }) => label === 7);

/** The largest difference of a probability. That of a logit is below 0.03, six standard deviations. */
export const TOLERANCE = 2 ** -7;

/** How Chromium is started. */
export const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** The whole of a stranger's program: `given` says how it gets the address and where its answer goes. */
export const program = ({ from = "encrypted-inference", before = "", url, answer }) => `${before}
import { connect } from ${JSON.stringify(from)};

const api = await connect(${url});
const model = await api.model("breast_cancer_logistic");
const { values } = await model.predict(${JSON.stringify(PATIENT.values)});
await model.close();
${answer}
`;

/** Packs the npm package; gives the tarball and the files in it. */
export async function pack(folder) {
  const { stdout } = await run(NPM, ["pack", "--json", "--pack-destination", folder], { cwd: join(ROOT, "client-wasm/js") });
  const [{ filename, files, size }] = Object.values(JSON.parse(stdout));
  return { tarball: join(folder, filename), files: files.map(({ path }) => path), size };
}

/** A folder that is deleted at the end. */
export async function temporary() {
  // Bundlers compare paths after following links.
  const folder = await realpath(await mkdtemp(join(tmpdir(), "encrypted-inference-packaging-")));
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** Makes a project with these files and the package installed from its tarball, without any network. */
export async function project(folder, tarball, files) {
  await mkdir(folder, { recursive: true });
  const manifest = { name: "stranger", private: true, type: "module", dependencies: { "encrypted-inference": `file:${tarball}` } };
  await write(folder, { "package.json": JSON.stringify(manifest), ...files });
  await run(NPM, ["install", "--offline", "--no-audit", "--no-fund", "--ignore-scripts"], { cwd: folder });
  return folder;
}

/** Writes files into a folder. */
export async function write(folder, files) {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}

/** Runs a program; gives what it printed. */
export async function output(command, words, options) {
  const { stdout } = await run(command, words, { timeout: 60_000, ...options });
  return stdout.trim();
}
