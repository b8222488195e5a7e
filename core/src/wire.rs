//! Bytes of parameters, keys and ciphertexts: packed, canonical, strictly decoded.

use alloc::vec::Vec;

use crate::scheme::ParamsSpec;

/// The canonical encoding of a parameter set, which its identifier is the hash of.
pub(crate) fn encode_params(spec: &ParamsSpec) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.push(spec.log_degree);
    bytes.push(spec.digit_primes);
    bytes.extend(spec.scale.to_bits().to_le_bytes());
    for group in spec.levels.iter().chain([&spec.special_primes]) {
        bytes.push(group.len() as u8);
        group.iter().for_each(|q| bytes.extend(q.to_le_bytes()));
    }
    bytes
}
