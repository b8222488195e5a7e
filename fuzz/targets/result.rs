#![no_main]
//! The ciphertexts of a result.

use std::sync::LazyLock;

use ckks_core::{Params, ResultCiphertexts};
use decoder_fuzz::canonical_under;
use libfuzzer_sys::fuzz_target;

static PARAMS: LazyLock<Params> = LazyLock::new(decoder_fuzz::params);

fuzz_target!(|bytes: &[u8]| {
    let params = &*PARAMS;
    canonical_under(
        params,
        bytes,
        |bytes| ResultCiphertexts::from_bytes(params, bytes),
        |result| result.to_bytes(params),
    );
});
