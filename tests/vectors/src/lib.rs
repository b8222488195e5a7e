//! Exact test vectors of the parameters, the encoding, the wire format and the scheme.
//!
//! Every file is computed from fixed seeds. A test compares what each kind of vector instructions computes,
//! natively and in WebAssembly, with the committed files, byte for byte; `main` writes the files anew.

#![allow(clippy::unwrap_used)]

// what a file is
mod file;

// the small ring that most of them use
mod world;

// one file each
mod ciphertexts;
mod encoding;
mod evaluation;
#[cfg(not(target_arch = "wasm32"))]
mod exchange;
mod keys;
mod models;
mod parameters;
mod refusals;

pub use file::File;

use ckks_core::Backend;

/// Computes every file with one kind of vector instructions.
#[must_use]
pub fn compute(backend: Backend) -> Vec<File> {
    vec![
        parameters::file(backend),
        encoding::file(backend),
        keys::file(backend),
        ciphertexts::file(backend),
        evaluation::file(backend),
        refusals::file(backend),
        models::file(backend),
        // The server's own tests need threads and the like; WebAssembly checks what it is made of.
        #[cfg(not(target_arch = "wasm32"))]
        exchange::file(),
    ]
}
