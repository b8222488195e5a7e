#![no_main]
//! A public key.

use std::sync::LazyLock;

use ckks_core::{Params, PublicKey};
use decoder_fuzz::canonical_under;
use libfuzzer_sys::fuzz_target;

static PARAMS: LazyLock<Params> = LazyLock::new(decoder_fuzz::params);

fuzz_target!(|bytes: &[u8]| {
    let params = &*PARAMS;
    canonical_under(params, bytes, |bytes| PublicKey::from_bytes(params, bytes), |key| key.to_bytes(params));
});
