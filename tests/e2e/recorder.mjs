// Everything a browser sends, byte for byte: a door in front of the server that lets all through.

import { once } from "node:events";
import { connect, createServer } from "node:net";

/** Opens the door on a port of its own; `sent()` is what came in so far. `shut` refuses connections for a while. */
export async function record(target) {
  const { hostname, port } = new URL(target);
  const chunks = [];
  const sockets = new Set();
  let open = true;
  const door = createServer((browser) => {
    if (!open) return browser.destroy();
    const server = connect(Number(port), hostname);
    for (const socket of [browser, server]) {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      socket.on("error", () => undefined);
    }
    browser.on("data", (chunk) => chunks.push(chunk));
    browser.on("close", () => server.destroy());
    server.on("close", () => browser.destroy());
    browser.pipe(server).pipe(browser);
    return undefined;
  });
  door.listen(0, "127.0.0.1");
  await once(door, "listening");
  const breakOff = () => sockets.forEach((socket) => socket.destroy());
  return {
    // Browsers take localhost for a secure context, like any page served over TLS.
    url: `http://localhost:${door.address().port}`,
    sent: () => Buffer.concat(chunks),
    shut() {
      open = false;
      breakOff();
    },
    reopen() {
      open = true;
    },
    close() {
      breakOff();
      door.close();
    },
  };
}
