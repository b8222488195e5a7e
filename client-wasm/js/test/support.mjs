// A server in a function: what the package asks, and what a test answers.

import { decode, encode } from "cborg";

export const PARAMETERS = {
  params_id: "45621e3046c59476cd4cb9d564b5145fae88b406654c1f69a816417a47ffd757",
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

export const JOB = "9b2e61e27c3d4f0aa51a4bde32a1c6f0";

/** A result in the wire format: coefficients all equal, so that every slot has the real part of the first one. */
export function result({ level = 0, count = 1, fill = 0, params_id = PARAMETERS.params_id, cut = 0 } = {}) {
  const bytes = new Uint8Array(52 + (count * 2 * 4096 * 30) / 8 - cut).fill(0);
  bytes.set([0x43, 0x4b, 0x4b, 0x53, 2, 8, level, 0]);
  const view = new DataView(bytes.buffer);
  view.setUint32(8, count, true);
  // The scale of the level exactly, as whoever reads it demands.
  const { scale, levels } = PARAMETERS;
  view.setFloat64(12, level === 0 ? (scale * scale) / levels[1][0] : scale, true);
  bytes.set(Buffer.from(params_id, "hex"), 20);
  bytes.fill(fill, 52);
  return bytes;
}

/** A result that says something else to each secret key. */
export const noise = () => result({ fill: 0x15 });

/** A finished job. */
export const completed = (payload, { job_id = JOB, ...fields } = {}) =>
  answer(200, {
    job_id,
    status: "completed",
    result: { model_id: "sum", version: "1.10.0", encoding: "bytes", payload, diagnostics: {}, ...fields },
  });

/** A job that failed. */
export const failed = (code, { retryable = true, job_id = JOB } = {}) =>
  answer(200, { job_id, status: "failed", error: { type: "x", title: code, status: 500, code, detail: `it is ${code}`, retryable } });

/** An answer to what a model has encrypted, as `api.send` gives it. */
export const outputFor = async (model, payload = new Uint8Array(1), samples = 1) =>
  new Uint8Array(encode({ format: "encrypted-inference-output/1", secret_id: decode(await model.exportKeys()).secret_id, payload, samples }));
