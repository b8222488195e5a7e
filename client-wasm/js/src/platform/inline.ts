import type { Platform } from "./platform.js";
import { inlineModule, inlineWorker } from "./unpack.js";

/** Browsers, from one file: nothing is looked for beside it. */
export const platform: Platform = {
  module: () => inlineModule(),
  workers: typeof Worker === "function" ? [inlineWorker] : [],
};
