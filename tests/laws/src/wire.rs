//! The wire format: decode, encode, equal bytes.

use std::sync::LazyLock;

use ckks_core::{
    Ciphertext, CompressedGaloisKey, CompressedRelinearizationKey, DecodeError, Params, ParamsSpec,
    PublicKey, ResultCiphertexts, SecretKey, SeededCiphertext,
};

/// N = 32, three levels, digits of two primes. Insecure, small and fast.
pub(crate) static PARAMS: LazyLock<Params> = LazyLock::new(|| {
    let spec = ParamsSpec::generate(5, &[30], &[vec![28], vec![28]], &[30, 30], 2, f64::from(1 << 28));
    Params::insecure(&spec.unwrap()).unwrap()
});

fn canonical<T>(bytes: &[u8], read: impl Fn(&[u8]) -> Result<T, DecodeError>, write: impl Fn(&T) -> Vec<u8>) {
    if let Ok(value) = read(bytes) {
        assert_eq!(write(&value), bytes);
    }
}

/// As [`canonical`], for bytes of a parameter set, whose identifier no fuzzer would guess: it is put in place.
fn canonical_under<T>(
    bytes: &[u8],
    read: impl Fn(&Params, &[u8]) -> Result<T, DecodeError>,
    write: impl Fn(&Params, &T) -> Vec<u8>,
) {
    let mut bytes = bytes.to_vec();
    if let Some(place) = bytes.get_mut(20..52) {
        place.copy_from_slice(&PARAMS.id().0);
    }
    canonical(&bytes, |bytes| read(&PARAMS, bytes), |value| write(&PARAMS, value));
}

pub(crate) fn params(bytes: &[u8]) {
    canonical(bytes, ParamsSpec::from_bytes, ParamsSpec::to_bytes);
    if let Ok(spec) = ParamsSpec::from_bytes(bytes) {
        // Tables of large rings take seconds to build, which says nothing about decoding.
        if spec.log_degree <= 13 {
            // Refused or not, it must not panic.
            let _ = Params::new(&spec);
        }
    }
}

pub(crate) fn secret_key(bytes: &[u8]) {
    canonical_under(bytes, SecretKey::from_bytes, |_, key| key.to_bytes().to_vec());
}

pub(crate) fn public_key(bytes: &[u8]) {
    canonical_under(bytes, PublicKey::from_bytes, |params, key| key.to_bytes(params).unwrap());
}

pub(crate) fn relinearization_key(bytes: &[u8]) {
    canonical_under(bytes, CompressedRelinearizationKey::from_bytes, |params, key| {
        key.to_bytes(params).unwrap()
    });
}

pub(crate) fn galois_key(bytes: &[u8]) {
    canonical_under(bytes, CompressedGaloisKey::from_bytes, |params, key| key.to_bytes(params).unwrap());
}

pub(crate) fn seeded_ciphertext(bytes: &[u8]) {
    canonical_under(bytes, SeededCiphertext::from_bytes, |params, ciphertext| {
        ciphertext.to_bytes(params).unwrap()
    });
}

pub(crate) fn ciphertext(bytes: &[u8]) {
    canonical_under(bytes, Ciphertext::from_bytes, |params, ciphertext| ciphertext.to_bytes(params).unwrap());
}

pub(crate) fn result(bytes: &[u8]) {
    canonical_under(bytes, ResultCiphertexts::from_bytes, |params, result| result.to_bytes(params).unwrap());
}
