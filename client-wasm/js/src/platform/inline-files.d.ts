// Written by build.mjs: the files of the package, gzip in base64.

export const simd: string;
export const scalar: string;
/** The worker's script. */
export const worker: string;
