//! The main operations, once each, under a profiler that counts instructions of each.

use std::hint::black_box;

use ckks_core::{Backend, CompressedGaloisKey, Kernels, Params, decrypt, decrypt_real, encrypt_symmetric};

use crate::{Result, core_ops::SETS, world::World};

/// Prints the names of the operations in the order in which they are counted.
pub(crate) fn run(backend: &str) -> Result<()> {
    let backend = Backend::available()
        .find(|available| available.name() == backend)
        .ok_or_else(|| format!("this machine, or the profiler, has no {backend}"))?;
    let params = &Params::insecure_on(&SETS[0].spec()?, backend)?;
    let World { mut seeds, secret, encoder, evaluator, values, plaintext, .. } = World::new(params)?;
    let World { prepared, ciphertext, element, galois, relinearization, .. } = World::new(params)?;
    let top = params.max_level();
    let mut kernels = Kernels::new(params);
    counted("forward transform", || kernels.forward());
    counted("inverse transform", || kernels.inverse());
    counted("prepare parameters", || Params::insecure_on(params.spec(), backend))?;
    counted("encode", || encoder.encode_real(&values, top, params.scale_at(top)))?;
    counted("encrypt symmetrically", || encrypt_symmetric(params, &secret, &plaintext, &mut seeds))?;
    counted("decrypt", || decrypt(params, &secret, &ciphertext))?;
    counted("decrypt and decode", || decrypt_real(&encoder, &secret, &ciphertext))?;
    counted("decode", || encoder.decode_real(&plaintext))?;
    let make_key = || CompressedGaloisKey::generate(params, &secret, element, top, &mut seeds);
    counted("make one Galois key", make_key)?;
    counted("rotate", || evaluator.apply_galois(&ciphertext, &galois))?;
    let multiply = || evaluator.multiply_relinearize_rescale(&ciphertext, &ciphertext, &relinearization);
    counted("multiply, relinearize, rescale", multiply)?;
    counted("multiply by plaintext", || evaluator.multiply_plain(&ciphertext, &prepared))?;
    Ok(())
}

fn counted<T>(name: &str, operation: impl FnOnce() -> T) -> T {
    println!("{name}");
    begin();
    counted_alone(operation)
}

/// The profiler writes what it counted so far whenever this is entered.
#[inline(never)]
fn begin() {
    black_box(());
}

/// The profiler counts while this runs.
#[inline(never)]
fn counted_alone<T>(operation: impl FnOnce() -> T) -> T {
    black_box(operation())
}
