//! WebAssembly bindings of the encrypted-inference client.
