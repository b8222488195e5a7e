// The real server in its release profile, with the shipped models, on a port and a store of its own.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const MODELS = join(ROOT, "models");
const PAGE = join(ROOT, "dist/www");

/**
 * Starts a server; `stop` ends it and deletes its store, `kill` ends it at once and leaves the store.
 * What it logs is in `log`. Where EDGE_WORKER is set it is the Worker, with the models that fit one.
 */
export async function startServer({ token, data, models, port = 0 } = {}) {
  if (process.env.EDGE_WORKER) return startInWorkerd({ token, data, models, port });
  const program = process.env.EDGE_SERVER;
  if (!program) throw new Error("EDGE_SERVER must be the path of the edge-server program; `cargo xtask test node` sets it");
  const store = data ?? (await mkdtemp(join(tmpdir(), "encrypted-inference-")));
  const words = ["serve", "--models", models ?? MODELS, "--static", PAGE, "--data", store, "--listen", `127.0.0.1:${port}`];
  words.push(...(token ? ["--token", token] : ["--open", "--origin", "*"]));
  const child = spawn(program, words, { stdio: ["ignore", "pipe", "pipe"] });
  const log = [];
  createInterface({ input: child.stderr }).on("line", (line) => log.push(line));
  const exit = once(child, "exit");
  const url = await Promise.race([
    listening(child),
    exit.then(([code]) => Promise.reject(new Error(`the server ended with ${code}:\n${log.join("\n")}`))),
  ]);
  const end = async (signal) => {
    child.kill(signal);
    await exit;
  };
  return {
    url,
    store,
    pid: child.pid,
    log,
    kill: () => end("SIGKILL"),
    stop: async () => {
      await end("SIGTERM");
      await rm(store, { recursive: true, force: true });
    },
  };
}

/** The same service and page in the runtime of Cloudflare Workers; `cargo xtask test worker` builds it. */
async function startInWorkerd({ token, data, models, port }) {
  const { packagesBelow, startWorker } = await import("../../edge-server/worker/local/worker.mjs");
  const log = [];
  const variables = token ? { TOKENS: token } : { OPEN: "true", ORIGINS: "*" };
  const packages = models && (await packagesBelow(models));
  const { url, stop } = await startWorker({ packages, variables, data, port, log: (line) => log.push(line) });
  return { url, log, stop };
}

/** A model as a server publishes it, asked without the package under test. */
export async function published(url, name) {
  const answer = await fetch(`${url}/models`, { headers: { accept: "application/json" } });
  const { models } = await answer.json();
  const found = models.find(({ model_id }) => model_id === name);
  if (!found) throw new Error(`${url} does not serve ${name}`);
  return found;
}

async function listening(child) {
  for await (const line of createInterface({ input: child.stdout })) {
    const found = /^listening on (http:\S+)/.exec(line);
    if (found) return found[1].replace(/\/$/, "");
  }
  // The exit of the child tells what happened.
  return new Promise(() => undefined);
}
