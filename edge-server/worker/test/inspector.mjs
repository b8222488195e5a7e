// What JavaScript has of an isolate's memory beside the module, as the runtime's inspector tells it.

import assert from "node:assert/strict";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

import { WebSocket } from "ws";

const SCRIPT = "edge_server_worker.js";
/** Where the bindings run a statement, and what is there when it has to do with keys that were copied into rows. */
const RUNS_STATEMENT = ".exec(getStringFromWasm0(arg1, arg2)";
const IS_OF_COPIES = 'getStringFromWasm0(arg1, arg2).includes("staged_keys")';
/** Milliseconds between two looks while nothing is computed. */
const PERIOD = 5;

/**
 * Follows what JavaScript has: V8's heap as far as it is committed, garbage in it too, and buffers outside of it. It is
 * looked at every few milliseconds, and when a key is copied or read: an evaluation waits for nothing, and nothing else can
 * look into it. `end` gives the state with the most bytes that was seen, the most of buffers, and how often there was such
 * a stop. Stops make garbage of their own, and workerd, which sets no limit to an isolate, lets V8 collect it when it likes.
 */
export async function watchJavaScript(inspector) {
  const targets = await (await fetch(new URL("/json/list", `http://${inspector.host}`))).json();
  const target = targets.find(({ id }) => id.startsWith("core:user"));
  assert.ok(target, `the inspector shows the Worker: ${JSON.stringify(targets)}`);
  const socket = new WebSocket(target.webSocketDebuggerUrl);
  await once(socket, "open");
  const answers = new Map();
  const scripts = [];
  let [asked, stops, mostBuffers, most] = [0, 0, 0, { bytes: 0 }];
  const call = (method, params = {}) =>
    new Promise((resolve, reject) => {
      asked += 1;
      const id = asked;
      answers.set(id, ({ result, error }) => {
        answers.delete(id);
        if (error) reject(new Error(`${method}: ${error.message}`));
        else resolve(result);
      });
      socket.send(JSON.stringify({ id: asked, method, params }));
    });
  const look = async () => {
    const { totalSize: heap, embedderHeapUsedSize: runtime, backingStorageSize: buffers } = await call("Runtime.getHeapUsage");
    const bytes = heap + runtime + buffers;
    mostBuffers = Math.max(mostBuffers, buffers);
    if (bytes > most.bytes) most = { bytes, heap, buffers };
  };
  socket.on("message", async (text) => {
    const { id, method, params, ...answer } = JSON.parse(text);
    if (id) answers.get(id)?.(answer);
    else if (method === "Debugger.scriptParsed") scripts.push(params);
    else if (method === "Debugger.paused") {
      stops += 1;
      // What fails here fails the next look, too, which is waited for.
      await look().catch(() => undefined);
      await call("Debugger.resume").catch(() => undefined);
    }
  });
  // Nobody answers any more, when the runtime has ended for instance.
  socket.on("close", () => {
    for (const answer of [...answers.values()]) answer({ error: { message: "the inspector is gone" } });
  });
  await call("Debugger.enable");
  const script = scripts.find(({ url }) => url.endsWith(SCRIPT));
  assert.ok(script, `${SCRIPT} is among ${scripts.map(({ url }) => url)}`);
  const { scriptSource } = await call("Debugger.getScriptSource", { scriptId: script.scriptId });
  const lineNumber = scriptSource.split("\n").findIndex((line) => line.includes(RUNS_STATEMENT));
  assert.ok(lineNumber > 0, `${SCRIPT} has ${RUNS_STATEMENT}`);
  await call("Debugger.setBreakpoint", { location: { scriptId: script.scriptId, lineNumber }, condition: IS_OF_COPIES });
  let isOver = false;
  const looking = (async () => {
    while (!isOver) {
      await look();
      await sleep(PERIOD);
    }
  })();
  const end = async () => {
    isOver = true;
    await looking;
    await call("Debugger.disable");
    socket.close();
    return { ...most, mostBuffers, stops };
  };
  return { end };
}
