// In a Web Worker: what the client's operations take by themselves. Calls are timed in blocks, since one is not much
// longer than a step of the clock.

import start, { Session } from "/wasm/client_wasm.js";

const BLOCKS = 11;
/** Milliseconds that a block has at least. */
const BLOCK = 50;

addEventListener("message", async ({ data: { model, parameters, secret, input, result } }) => {
  await start({ module_or_path: "/wasm/simd.wasm" });
  const session = Session.fromSecret(model, parameters, secret);
  const names = session.keyNames();
  postMessage({
    keys: perCall(() => names.forEach((name) => session.generateKey(name))),
    encrypt: perCall(() => session.encrypt(input, 1)),
    decrypt: perCall(() => session.decrypt(result, 1)),
    decrypted: session.decrypt(result, 1),
  });
});

/** The median over blocks. The first one is for the engine to compile. */
function perCall(call) {
  const blocks = Array.from({ length: BLOCKS + 1 }, () => {
    const begun = performance.now();
    let calls = 0;
    let passed = 0;
    while (passed < BLOCK) {
      call();
      calls += 1;
      passed = performance.now() - begun;
    }
    return passed / calls;
  });
  return blocks.slice(1).sort((a, b) => a - b)[BLOCKS >> 1];
}
