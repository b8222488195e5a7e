// The Worker as it is deployed, with a gate before its bucket: the test that has started it says when the bucket gives a
// key, and whether.

import entry, { InferenceService as Service } from "../dist/script/index.js";

function gated(bucket, gate) {
  const get = async (path) => {
    const { ok, statusText } = await gate.fetch(new URL(path, "http://gate/"));
    if (!ok) throw new Error(statusText);
    return bucket.get(path);
  };
  return new Proxy(bucket, {
    get(target, name) {
      const own = target[name];
      if (name === "get") return (path, ...rest) => (path.startsWith("keys/") ? get(path) : target.get(path, ...rest));
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
