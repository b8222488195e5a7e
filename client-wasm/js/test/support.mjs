// A server in a function: what the package asks, and what a test answers.

import { decode, encode } from "cborg";

export const PARAMETERS = {
  params_id: "78f9f33fab63f655b8e00fdff79f5f585bbfadcaf16111113a06b917a768b9dd",
  log_degree: 12,
  poly_modulus_degree: 4096,
  levels: [[1073668097], [268460033]],
  special_primes: [1073692673],
  digit_primes: 1,
  scale: 268435456,
  security: { bits: 128, log_qp: 88, max_log_qp: 106 },
};

export const MODEL = {
  model_id: "sum",
  version: "1.2.0",
  description: "Adds four numbers.",
  he_scheme: "CKKS",
  encryption_parameters: { params_id: PARAMETERS.params_id },
  input: { shape: [4], dimension: 4, ciphertexts: 1, level: 1, layout: { axes: [{ extent: 4, stride: 1 }] }, range: [-8, 8] },
  output: { dimension: 1, ciphertexts: 1, level: 0, layout: { axes: [] }, postprocessing: "none", labels: ["sum"] },
  constraints: { max_batch_size: 1, max_request_bytes: 100_000 },
  evaluation_keys: { relinearization: null, galois: [{ element: 5, level: 0 }, { element: 25, level: 0 }] },
};

const KEY_BYTES = 30804;

/** A CBOR answer. */
export function answer(status, body, headers = {}) {
  const type = { "content-type": "application/cbor", ...headers };
  return new Response(body === undefined ? null : encode(body), { status, headers: type });
}

/** A problem as a server describes it. */
export function problem(status, code, retryable = false, headers = {}) {
  const body = { type: "https://encrypted-inference.dev/problems/x", title: code, status, code, detail: `it is ${code}`, retryable };
  return answer(status, body, headers);
}

/**
 * A server that keeps keys and never evaluates. `intercept` sees every request first; what it
 * returns is the answer, what it throws is a failure of the network.
 */
export function fakeServer(intercept = () => undefined) {
  const log = [];
  const present = new Set();
  const names = ["galois-5", "galois-25"];
  const keySet = () => ({
    key_id: "00112233445566778899aabbccddeeff",
    keys: names.map((name) => ({ name, level: 0, bytes: KEY_BYTES, present: present.has(name) })),
    missing: names.filter((name) => !present.has(name)),
  });
  const fetch = async (url, init) => {
    const path = url.replace("https://server.test", "");
    const request = { method: init.method, path, headers: init.headers, body: init.body, signal: init.signal };
    log.push(request);
    if (init.signal?.aborted) throw init.signal.reason;
    const intercepted = await intercept(request, log);
    if (intercepted) return intercepted;
    if (path === "/models") return answer(200, { api_version: "1.1", models: [MODEL, { ...MODEL, version: "1.10.0" }] });
    if (path === "/keys" && init.method === "GET") return answer(200, { parameter_sets: [PARAMETERS] });
    if (path === "/keys") return answer(201, keySet());
    if (init.method === "PUT") present.add(path.split("/").pop());
    if (init.method === "DELETE") return answer(204);
    if (path.startsWith("/keys/")) return answer(200, keySet());
    return problem(404, "NOT_FOUND");
  };
  return { fetch, log, present };
}

/** The body of a request. */
export const bodyOf = (request) => decode(request.body);
