//! Bytes: written, and strictly read.

use ckks_core::{
    Ciphertext, CompressedGaloisKey, CompressedRelinearizationKey, DecodeError, Error, Level, ParamsSpec,
    PublicKey, ResultCiphertexts, Seed, SeedSource, SeededCiphertext,
};

use super::rows::{Rows, bits};
use crate::{Result, world::World};

pub(super) fn measure(rows: &mut Rows<'_>) -> Result<()> {
    let World { evaluator, encoder, values, ciphertext, fresh, compressed, square, secret, .. } = rows.world;
    let (world, params) = (rows.world, evaluator.params());
    // Nothing can be cut off a level of two primes: what is measured is the way to coefficients and back.
    let low = [evaluator.drop_level(ciphertext, Level(0))?];
    let dropped_bits = ResultCiphertexts::max_dropped_bits(params, Level(0));
    let answer = &ResultCiphertexts::new(params, &low, dropped_bits)?;
    rows.row(
        "make a result of one ciphertext at level 0",
        || ResultCiphertexts::new(params, &low, dropped_bits),
        |found| world.precision(&found.expand(params)?[0], values),
    )?;
    rows.row("expand it", || answer.expand(params), |found| world.precision(&found[0], values))?;
    rows.row_with(
        "decrypt and decode it",
        || answer.clone(),
        |answer| {
            let mut found = vec![];
            answer.decrypt_real(encoder, secret, |_, values| found.push(values.to_vec())).map(|()| found)
        },
        |found| bits(&found[0], values),
    )?;

    let (spec, public) =
        (params.spec(), &PublicKey::generate(params, secret, &mut SeedSource::new(&Seed::new([5; 32])))?);
    both(rows, "parameters", spec, || Ok(spec.to_bytes()), ParamsSpec::from_bytes)?;
    both(
        rows,
        "a fresh ciphertext",
        fresh,
        || fresh.to_bytes(params),
        |bytes| SeededCiphertext::from_bytes(params, bytes),
    )?;
    both(
        rows,
        "a ciphertext",
        ciphertext,
        || ciphertext.to_bytes(params),
        |bytes| Ciphertext::from_bytes(params, bytes),
    )?;
    both(
        rows,
        "that result",
        answer,
        || answer.to_bytes(params),
        |bytes| ResultCiphertexts::from_bytes(params, bytes),
    )?;
    both(
        rows,
        "a public key",
        public,
        || public.to_bytes(params),
        |bytes| PublicKey::from_bytes(params, bytes),
    )?;
    both(
        rows,
        "a relinearization key",
        square,
        || square.to_bytes(params),
        |bytes| CompressedRelinearizationKey::from_bytes(params, bytes),
    )?;
    both(
        rows,
        "one Galois key",
        compressed,
        || compressed.to_bytes(params),
        |bytes| CompressedGaloisKey::from_bytes(params, bytes),
    )?;
    rows.bytes("bytes of a fresh ciphertext", ciphertext.to_bytes(params)?.len());
    rows.bytes("bytes of a fresh ciphertext, seeded", fresh.to_bytes(params)?.len());
    rows.bytes("bytes of one Galois key, seeded", compressed.to_bytes(params)?.len());
    Ok(())
}

/// What is read from the bytes that were written must be equal to what was written.
fn both<T: PartialEq>(
    rows: &mut Rows<'_>,
    name: &str,
    original: &T,
    write: impl Fn() -> core::result::Result<Vec<u8>, Error>,
    read: impl Fn(&[u8]) -> core::result::Result<T, DecodeError>,
) -> Result<()> {
    let bytes = write()?;
    rows.equal(format!("write {name}"), &bytes, write)?;
    rows.equal(format!("read {name}"), original, || read(&bytes))
}
