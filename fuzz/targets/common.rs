//! What the targets share: a ring small enough to be fast, and the law.

use ckks_core::{DecodeError, Params, ParamsSpec};

/// N = 32, three levels, digits of two primes. Insecure.
pub fn params() -> Params {
    let spec = ParamsSpec::generate(5, &[30], &[vec![28], vec![28]], &[30, 30], 2, f64::from(1 << 28));
    Params::insecure(&spec.expect("there are such primes")).expect("they are parameters")
}

/// Bytes are refused, or what is read is written back exactly as it was.
pub fn canonical<T>(
    bytes: &[u8],
    read: impl Fn(&[u8]) -> Result<T, DecodeError>,
    write: impl Fn(&T) -> Vec<u8>,
) {
    if let Ok(value) = read(bytes) {
        assert_eq!(write(&value), bytes);
    }
}

/// As [`canonical`], for bytes of a parameter set, whose identifier no fuzzer would guess: it is put in place.
pub fn canonical_under<T>(
    params: &Params,
    bytes: &[u8],
    read: impl Fn(&[u8]) -> Result<T, DecodeError>,
    write: impl Fn(&T) -> Vec<u8>,
) {
    let mut bytes = bytes.to_vec();
    if let Some(place) = bytes.get_mut(20..52) {
        place.copy_from_slice(&params.id().0);
    }
    canonical(&bytes, read, write);
}
