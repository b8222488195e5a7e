import simd from "../wasm/simd.wasm";
import { type Platform, plainFetch } from "./platform.js";

/** Cloudflare Workers: modules are compiled when the Worker is uploaded, and always have SIMD. */
export const platform: Platform = { module: async () => simd, fetch: plainFetch, workers: [] };
