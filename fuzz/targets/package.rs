#![no_main]
//! A model package: a manifest, a zero byte, weights. Reading never panics.

use libfuzzer_sys::fuzz_target;
use model_package::Package;

fuzz_target!(|bytes: &[u8]| {
    let at = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    let (manifest, weights) = bytes.split_at(at);
    let _ = Package::from_bytes(manifest, weights.get(1..).unwrap_or_default());
});
