#![no_main]
//! A parameter set: canonical, and checking what was read never panics.

use ckks_core::{Params, ParamsSpec};
use decoder_fuzz::canonical;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    canonical(bytes, ParamsSpec::from_bytes, ParamsSpec::to_bytes);
    if let Ok(spec) = ParamsSpec::from_bytes(bytes) {
        // Tables of large rings take seconds to build, which says nothing about decoding.
        if spec.log_degree <= 13 {
            let _ = Params::new(&spec);
        }
    }
});
