//! Project tasks: demo, test, wasm, bench, vectors.
