// Runs a WASI program, such as a Rust test compiled for wasm32-wasip1: node run-wasi.mjs <program.wasm> [argument ...]
import { readFile } from "node:fs/promises";
import { setFlagsFromString } from "node:v8";
import { WASI } from "node:wasi";

// The collector of Node 20 can lose the buffer of a memory that grows while it marks, and crash.
setFlagsFromString("--no-incremental-marking");

const [program, ...rest] = process.argv.slice(2);
// Tests read the repository's files by absolute path. A program that exits ends the process without coming back.
const wasi = new WASI({ version: "preview1", args: [program, ...rest], env: process.env, preopens: { "/": "/" }, returnOnExit: false });
const module = await WebAssembly.compile(await readFile(program));
const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
process.exitCode = wasi.start(instance);
