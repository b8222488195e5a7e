// Static hosting: a folder below a path, and nothing else.

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const TYPES = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".json": "application/json",
  ".mjs": "text/javascript",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

/**
 * Serves a folder, and `pages` that are not in it: from paths to bodies. `headers` may depend on the path. `asked`
 * has the paths in order, `missing` those that there is nothing for.
 */
export async function serveFiles(root, { below = "/", headers = () => ({}), pages = {} } = {}) {
  const asked = [];
  const missing = [];
  const http = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    const path = pathname.endsWith("/") ? `${pathname}index.html` : pathname;
    asked.push(path);
    try {
      if (!path.startsWith(below)) throw new Error("elsewhere");
      const body = pages[path] ?? (await readFile(join(root, normalize(path.slice(below.length)))));
      response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "application/octet-stream", ...headers(path) });
      response.end(body);
    } catch {
      if (!path.endsWith("favicon.ico")) missing.push(path);
      response.writeHead(404).end();
    }
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  return { url: `http://localhost:${http.address().port}${below}`, asked, missing, close: () => http.close() };
}
