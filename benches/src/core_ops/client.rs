//! What clients do: parameters, encoding, keys, encryption, decryption.

use std::cell::RefCell;

use ckks_core::{
    CompressedGaloisKey, CompressedRelinearizationKey, Encoder, Level, Params, ParamsError, PublicKey,
    SecretKey, Seed, SeedSource, decrypt, decrypt_real, encrypt_public, encrypt_symmetric,
};

use super::rows::{Rows, bits, same};
use crate::{Result, world::World};

pub(super) fn measure(rows: &mut Rows<'_>) -> Result<()> {
    encoding(rows)?;
    keys(rows)?;
    encryption(rows)
}

fn encoding(rows: &mut Rows<'_>) -> Result<()> {
    let World { evaluator, encoder, values, plaintext, ciphertext, element, .. } = rows.world;
    let (world, params) = (rows.world, evaluator.params());
    let top = params.max_level();
    let scale = params.scale_at(top);
    let slots = values.len();
    let rotated: Vec<f64> = (0..slots).map(|i| values[(i + 1) % slots]).collect();
    let squares: Vec<f64> = values.iter().map(|v| v * v).collect();
    rows.row(
        "prepare parameters",
        || Params::insecure(params.spec()),
        |found| same(&found.id(), &params.id()),
    )?;
    rows.row(
        "make an encoder",
        || Ok::<_, ParamsError>(Encoder::new(params)),
        |found| same(&found.encode_real(values, top, scale)?, plaintext),
    )?;
    rows.plaintext("encode", values, || encoder.encode_real(values, top, scale))?;
    rows.equal("encode, whether values fit or not", &(plaintext.clone(), false), || {
        encoder.encode_real_wrapping(values, top, scale)
    })?;
    let complex = &world.complex;
    let flat = |values: &[ckks_core::Complex]| values.iter().flat_map(|c| [c.re, c.im]).collect::<Vec<_>>();
    let encoded = encoder.encode_complex(complex, top, scale)?;
    rows.row(
        "encode complex values",
        || encoder.encode_complex(complex, top, scale),
        |found| bits(&flat(&encoder.decode_complex(&found)?), &flat(complex)),
    )?;
    rows.row("decode", || encoder.decode_real(plaintext), |found| bits(&found, values))?;
    rows.row(
        "decode complex values",
        || encoder.decode_complex(&encoded),
        |found| bits(&flat(&found), &flat(complex)),
    )?;
    rows.row(
        "prepare a plaintext",
        || encoder.prepare(plaintext),
        |found| world.precision(&evaluator.multiply_plain(ciphertext, &found)?, &squares),
    )?;
    rows.plaintext("rotate a plaintext", &rotated, || plaintext.apply_galois(params, *element))
}

fn keys(rows: &mut Rows<'_>) -> Result<()> {
    let World { evaluator, values, plaintext, ciphertext, secret, element, .. } = rows.world;
    let (world, params) = (rows.world, evaluator.params());
    let top = params.max_level();
    let slots = values.len();
    let rotated: Vec<f64> = (0..slots).map(|i| values[(i + 1) % slots]).collect();
    let squares: Vec<f64> = values.iter().map(|v| v * v).collect();
    let square = |key: &CompressedRelinearizationKey| {
        let product =
            evaluator.multiply_relinearize_rescale(ciphertext, ciphertext, &key.prepare(params)?)?;
        world.precision(&product, &squares)
    };
    let rotate = |key: &CompressedGaloisKey| {
        world.precision(&evaluator.apply_galois(ciphertext, &key.prepare(params)?)?, &rotated)
    };
    let seeds = RefCell::new(SeedSource::new(&Seed::new([3; 32])));
    let source = || seeds.borrow_mut();
    rows.row(
        "make a secret key",
        || Ok::<_, ParamsError>(SecretKey::generate(params, &source().next_seed())),
        |key| {
            let encrypted = encrypt_symmetric(params, &key, plaintext, &mut source())?.expand(params)?;
            bits(&world.encoder.decode_real(&decrypt(params, &key, &encrypted)?)?, values)
        },
    )?;
    rows.row(
        "make a public key",
        || PublicKey::generate(params, secret, &mut source()),
        |key| world.precision(&encrypt_public(params, &key, plaintext, &mut source())?, values),
    )?;
    rows.row(
        "make a relinearization key",
        || CompressedRelinearizationKey::generate(params, secret, top, &mut source()),
        |key| square(&key),
    )?;
    rows.equal("prepare a relinearization key", &world.relinearization, || world.square.prepare(params))?;
    rows.row(
        "make one Galois key",
        || CompressedGaloisKey::generate(params, secret, *element, top, &mut source()),
        |key| rotate(&key),
    )?;
    rows.equal("prepare one Galois key", &world.galois, || world.compressed.prepare(params))
}

fn encryption(rows: &mut Rows<'_>) -> Result<()> {
    let World { evaluator, encoder, values, plaintext, ciphertext, fresh, secret, .. } = rows.world;
    let (world, params) = (rows.world, evaluator.params());
    let mut seeds = SeedSource::new(&Seed::new([4; 32]));
    let public = PublicKey::generate(params, secret, &mut seeds)?;
    let low = evaluator.drop_level(ciphertext, Level(0))?;
    rows.row(
        "encrypt symmetrically",
        || encrypt_symmetric(params, secret, plaintext, &mut seeds),
        |fresh| world.precision(&fresh.expand(params)?, values),
    )?;
    rows.row_with(
        "expand a fresh ciphertext",
        || fresh.clone(),
        |fresh| fresh.expand(params),
        |found| world.precision(&found, values),
    )?;
    rows.ciphertext("encrypt under the public key", values, || {
        encrypt_public(params, &public, plaintext, &mut seeds)
    })?;
    rows.plaintext("decrypt", values, || decrypt(params, secret, ciphertext))?;
    for (name, ciphertext) in [("decrypt and decode", ciphertext), ("decrypt and decode at level 0", &low)] {
        rows.row(name, || decrypt_real(encoder, secret, ciphertext), |found| bits(&found, values))?;
    }
    Ok(())
}
