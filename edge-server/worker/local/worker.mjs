// The Worker of wrangler.toml in workerd, on this machine: no account, no network.

import { readFile, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { Miniflare, Response } from "miniflare";
import { unstable_getMiniflareWorkerOptions as workerOptions } from "wrangler";

const FOLDER = fileURLToPath(new URL("..", import.meta.url));
export const CONFIGURATION = join(FOLDER, "wrangler.toml");
const GATED = join(FOLDER, "test/gated.js");
const MANIFEST = "manifest.json";
const BUCKET = "BUCKET";

const packagesOf = (...models) => models.map((model) => fileURLToPath(new URL(`../../../models/${model}/package`, import.meta.url)));

/** The models of the page that fit one isolate together, as fast as they can be. */
export const SHIPPED = packagesOf("breast_cancer_logistic", "mnist_mlp", "mnist_cnn");
/** Those that fit one each by itself. */
export const LARGE = packagesOf("wine_mlp", "gunpoint_cnn", "fashion_resnet", "mnist_lenet");
/** The search of the page, which is held as fast as it can be. */
export const SEARCH = packagesOf("gloss_search");

/**
 * Starts it with the packages of these directories and these variables over those of wrangler.toml. What it stores is
 * below `data`, or gone with it; what it logs goes to `log`, a line at a time. `rates` are the platform's limits instead
 * of those of wrangler.toml. `files` lists what is in the bucket below a prefix, `read` gives a file's bytes, `put` adds
 * packages, `remove` takes files away; `inspector` is the address of the runtime's, if it was asked for. `gate` is asked
 * with its path before the bucket gives a key, waited for, and if it throws so does the bucket; `putGate` is asked before
 * it takes one, with the bytes of all whose puts have not settled, too.
 */
export async function startWorker({ packages = SHIPPED, variables = {}, rates, data, port = 0, page = true, inspector = false, gate, putGate, log = () => undefined } = {}) {
  const { workerOptions: options, main } = workerOptions(CONFIGURATION);
  if (rates) options.ratelimits = rates;
  const persist = data ? { durableObjectsPersist: join(data, "objects"), r2Persist: join(data, "bucket") } : {};
  if (!page) delete options.assets;
  const isGated = Boolean(gate ?? putGate);
  if (isGated) options.serviceBindings = { ...options.serviceBindings, GATE: (request) => answered({ GET: gate, PUT: putGate }, request) };
  const flare = new Miniflare({
    ...options,
    ...persist,
    modules: true,
    scriptPath: isGated ? GATED : main,
    modulesRoot: isGated ? FOLDER : dirname(main),
    bindings: { ...options.bindings, ...variables },
    host: "127.0.0.1",
    port,
    ...(inspector ? { inspectorPort: 0 } : {}),
    handleRuntimeStdio: (stdout, stderr) => [stdout, stderr].forEach((stream) => lines(stream, log)),
  });
  const url = (await flare.ready).href.replace(/\/$/, "");
  const bucket = await flare.getR2Bucket(BUCKET);
  const put = async (packages) => {
    for (const [name, bytes] of await files(packages)) await bucket.put(name, bytes);
  };
  await put(packages);
  const list = async (prefix) => (await bucket.list({ prefix })).objects.map(({ key }) => key);
  const read = async (path) => new Uint8Array(await (await bucket.get(path)).arrayBuffer());
  const remove = async (prefix) => bucket.delete(await list(prefix));
  return { url, files: list, read, put, remove, inspector: inspector ? await flare.getInspectorURL() : undefined, stop: () => flare.dispose() };
}

/** What the gate for this method says of a key, as an answer. */
async function answered(gates, { method, url, headers }) {
  try {
    await gates[method]?.(new URL(url).pathname.slice(1), Number(headers.get("bytes-under-way")));
    return new Response();
  } catch ({ message }) {
    return new Response(null, { status: 503, statusText: message });
  }
}

/** The files of packages, by the names that they have in the bucket. */
export async function files(packages) {
  const found = [];
  for (const directory of packages) {
    const manifest = JSON.parse(await readFile(join(directory, MANIFEST), "utf8"));
    const folder = `packages/${manifest.model_id}-${manifest.version}`;
    for (const name of [MANIFEST, manifest.weights.file]) {
      found.push([`${folder}/${name}`, new Uint8Array(await readFile(join(directory, name)))]);
    }
  }
  return found;
}

/** Every package below a directory: its folders with a manifest, themselves or in a folder `package`. */
export async function packagesBelow(directory) {
  const found = [];
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    for (const folder of [join(directory, entry.name), join(directory, entry.name, "package")]) {
      const names = entry.isDirectory() ? await readdir(folder).catch(() => []) : [];
      if (names.includes(MANIFEST)) found.push(folder);
    }
  }
  return found.sort();
}

function lines(stream, log) {
  let rest = "";
  stream.setEncoding("utf8").on("data", (text) => {
    const parts = (rest + text).split("\n");
    rest = parts.pop();
    parts.filter(Boolean).forEach(log);
  });
}
