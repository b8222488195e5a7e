// A bad line: a door in front of the server whose connections are slow, break off, or lose answers, by a fixed seed.

import { once } from "node:events";
import { connect, createServer } from "node:net";

/** How a connection goes wrong. Numbers are bytes after which it does. */
const FATES = [
  { name: "good", weight: 30 },
  { name: "slow", weight: 15, delay: 150 },
  { name: "asked in part", weight: 20, up: 300_000 },
  { name: "answered in part", weight: 20, down: 2_000 },
  { name: "never answered", weight: 15, silent: true },
];

/** Numbers from 0 to 1 (Park and Miller, "Random number generators: good ones are hard to find", 1988). */
function numbers(seed) {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

/**
 * Opens the door. `fates` counts what happened to connections; `made(kind)` has the paths of whatever the server
 * says it made, in answers that arrived and in answers that did not.
 */
export async function openBadLine(target, seed) {
  const { hostname, port } = new URL(target);
  const random = numbers(seed);
  const fates = {};
  const answers = [];
  const sockets = new Set();
  const choose = () => {
    let at = random() * FATES.reduce((sum, { weight }) => sum + weight, 0);
    return FATES.find(({ weight }) => (at -= weight) < 0) ?? FATES[0];
  };
  const door = createServer((client) => {
    const fate = choose();
    fates[fate.name] = (fates[fate.name] ?? 0) + 1;
    // Even a good connection ends some day, or one alone would carry everything.
    let up = Math.floor(random() * (fate.up ?? 1_500_000));
    let down = Math.floor(random() * (fate.down ?? 1_500_000));
    const server = connect(Number(port), hostname);
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      socket.on("error", () => undefined);
    }
    const heard = [];
    answers.push(heard);
    const pass = (to, chunk) => (fate.delay ? setTimeout(() => to.write(chunk), fate.delay) : to.write(chunk));
    client.on("data", (chunk) => {
      up -= chunk.length;
      if (up < 0) {
        client.resetAndDestroy();
        // What the server answers to the part that it has got still counts.
        return server.end();
      }
      return pass(server, chunk);
    });
    server.on("data", (chunk) => {
      heard.push(chunk);
      if (fate.silent || client.destroyed) return;
      down -= chunk.length;
      if (down >= 0) pass(client, chunk);
      else client.resetAndDestroy();
    });
    client.on("close", () => server.end());
    server.on("close", () => client.destroy());
  });
  door.listen(0, "127.0.0.1");
  await once(door, "listening");
  return {
    url: `http://127.0.0.1:${door.address().port}`,
    fates,
    made(kind) {
      const text = answers.map((heard) => Buffer.concat(heard).toString("latin1")).join("\n");
      return new Set([...text.matchAll(new RegExp(`^location: /${kind}/([0-9a-f]+)`, "gim"))].map(([, id]) => id));
    },
    close() {
      sockets.forEach((socket) => socket.destroy());
      door.close();
    },
  };
}
