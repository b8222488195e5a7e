import { Session, initSync } from "../../wasm/client_wasm.js";
import { fromThrown } from "../errors.js";

let ready = false;

/** Instantiates the WebAssembly module once in this thread. */
export function bind(module: WebAssembly.Module): typeof Session {
  try {
    if (!ready) initSync({ module });
    ready = true;
  } catch (thrown) {
    throw fromThrown(thrown, "MODULE");
  }
  return Session;
}
