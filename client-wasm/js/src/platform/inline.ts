import { type Platform, fetchFromPage } from "./platform.js";
import { inlineModule, inlineWorker } from "./unpack.js";

/** Browsers, from one file: nothing is looked for beside it. */
export const platform: Platform = {
  module: () => inlineModule(),
  fetch: fetchFromPage,
  workers: typeof Worker === "function" ? [inlineWorker] : [],
};
