#![no_main]
//! A fresh ciphertext.

use std::sync::LazyLock;

use ckks_core::{Params, SeededCiphertext};
use decoder_fuzz::canonical_under;
use libfuzzer_sys::fuzz_target;

static PARAMS: LazyLock<Params> = LazyLock::new(decoder_fuzz::params);

fuzz_target!(|bytes: &[u8]| {
    let params = &*PARAMS;
    canonical_under(
        params,
        bytes,
        |bytes| SeededCiphertext::from_bytes(params, bytes),
        |ciphertext| ciphertext.to_bytes(params),
    );
});
