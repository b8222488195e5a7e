// The Worker as it is deployed, with a gate before its bucket: the test that has started it says when the bucket gives a
// key or takes one, and whether.

import entry, { InferenceService as Service } from "../dist/script/index.js";

function gated(bucket, gate) {
  // Bytes of keys whose puts have not settled.
  let underWay = 0;
  const ask = async (path, init) => {
    const { ok, statusText } = await gate.fetch(new URL(path, "http://gate/"), init);
    if (!ok) throw new Error(statusText);
  };
  const get = async (path) => {
    await ask(path);
    return bucket.get(path);
  };
  const put = async (path, bytes) => {
    const { byteLength } = bytes;
    underWay += byteLength;
    try {
      await ask(path, { method: "PUT", headers: { "bytes-under-way": underWay } });
      return await bucket.put(path, bytes);
    } finally {
      underWay -= byteLength;
    }
  };
  const ofKeys = new Map(Object.entries({ get, put }));
  return new Proxy(bucket, {
    get(target, name) {
      const own = target[name];
      if (ofKeys.has(name)) return (path, ...rest) => (path.startsWith("keys/") ? ofKeys.get(name)(path, ...rest) : own.call(target, path, ...rest));
      // What the service knows a bucket by.
      return typeof own === "function" && name !== "constructor" ? own.bind(target) : own;
    },
  });
}

export class InferenceService extends Service {
  constructor(state, env) {
    super(state, { ...env, BUCKET: gated(env.BUCKET, env.GATE) });
  }
}

export default entry;
