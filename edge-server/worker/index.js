// What the runtime loads: the compiled service, and its bindings.

import module from "./edge_server_worker_bg.wasm";
import { InferenceService, fetch, initSync } from "./edge_server_worker.js";

initSync({ module });

export { InferenceService };
export default { fetch };
