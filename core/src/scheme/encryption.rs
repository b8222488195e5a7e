//! Encryption and decryption. Client code: nothing here branches on or indexes by a secret.
//!
//! CKKS is IND-CPA, not IND-CPA-D: whoever sees decryptions learns about the key (Li and
//! Micciancio, eprint 2020/1533), so decrypted values must not go back to whom evaluated.

use alloc::vec::Vec;

use zeroize::{Zeroize, Zeroizing};

use super::{
    ciphertext::{Ciphertext, Plaintext, SeededCiphertext},
    encoding::Encoder,
    error::Error,
    keys::{PublicKey, SecretKey},
    params::Params,
    sampling::{self, Stream},
    seed::{Seed, SeedSource},
};
use crate::{
    ring::{Binary, Coeff, Ntt, Poly, Ring, Sum},
    wiped::Wiped,
};

/// Encrypts under the secret key: `c₀ = −a·s + e + m`, a expanded from a public seed.
///
/// # Errors
/// [`Error::ParamsMismatch`] for a key or plaintext of other parameters.
pub fn encrypt_symmetric(
    params: &Params,
    secret: &SecretKey,
    plaintext: &Plaintext,
    seeds: &mut SeedSource,
) -> Result<SeededCiphertext, Error> {
    params.check(secret.params_id)?;
    params.check(plaintext.params_id)?;
    let ring = params.ring();
    let (seed, error_seed) = (seeds.next_seed(), seeds.next_seed());
    let main = plaintext.poly.limbs();
    let error = sampling::error(ring, &error_seed, Stream::error(0));
    let mut c0 = Poly::with_capacity(ring.degree(), main);
    let mut summand = Wiped::zero(ring.degree());
    for (i, message) in plaintext.poly.iter().enumerate() {
        // The error is added to the message before the transform, which saves one per limb.
        sampling::sum_limb(ring, &error, i, message, &mut summand);
        let limb = c0.push_unwritten();
        mask_limb(ring, i, secret.poly.limb(i), (&seed, Stream::CIPHERTEXT), &mut summand, limb);
    }
    Ok(SeededCiphertext { params_id: params.id(), level: plaintext.level, scale: plaintext.scale, c0, seed })
}

/// Writes one limb of `−a·s + summand`, a expanded from a public seed. The summand is given as coefficients and
/// transformed in place: all of it happens while the limb is in the cache.
pub(super) fn mask_limb(
    ring: &Ring,
    prime: usize,
    secret: &[u32],
    (seed, stream): (&Seed, Stream),
    summand: &mut [u32],
    out: &mut [u32],
) {
    ring.forward_limb(prime, summand);
    sampling::uniform_words(ring, seed, stream, prime, out);
    ring.multiply_limb(prime, out, secret, Sum::SubtractFrom, summand);
}

/// Encrypts under the public key: `(b·u + e₀ + m, a·u + e₁)` with ternary u.
///
/// # Errors
/// [`Error::ParamsMismatch`] for a key or plaintext of other parameters.
pub fn encrypt_public(
    params: &Params,
    public: &PublicKey,
    plaintext: &Plaintext,
    seeds: &mut SeedSource,
) -> Result<Ciphertext, Error> {
    params.check(public.params_id)?;
    params.check(plaintext.params_id)?;
    let ring = params.ring();
    let seed = seeds.next_seed();
    let main = plaintext.poly.limbs();
    let u = sampling::ternary(ring, &seed, Stream::EPHEMERAL);
    let ephemeral = SecretKey {
        params_id: params.id(),
        poly: ring.forward_prepared(main, sampling::to_residues(ring, &u, main, 0)),
        seed: seed.clone(),
    };
    let masked = |mut half: Poly<Ntt>, index: usize, message: Option<&Plaintext>| {
        half.truncate(main);
        let error = sampling::error(ring, &seed, Stream::error(index));
        let mut summand = sampling::to_residues(ring, &error, main, 0);
        if let Some(message) = message {
            ring.combine(main, Binary::Add, &mut summand, &message.poly);
        }
        let mut summand = ring.forward(main, summand);
        ephemeral.multiply(params, main, &mut half, Sum::Add, &summand);
        summand.zeroize();
        half
    };
    let c0 = masked(public.b.clone(), 0, Some(plaintext));
    let a = sampling::uniform(ring, &public.seed, Stream::PUBLIC_KEY, main, 0);
    let c1 = masked(a, 1, None);
    Ok(Ciphertext { params_id: params.id(), level: plaintext.level, scale: plaintext.scale, c0, c1 })
}

/// Decrypts: `c₀ + c₁·s`, modulo all primes of the level.
///
/// # Errors
/// [`Error::ParamsMismatch`] for a key or ciphertext of other parameters.
pub fn decrypt(params: &Params, secret: &SecretKey, ciphertext: &Ciphertext) -> Result<Plaintext, Error> {
    params.check(secret.params_id)?;
    params.check(ciphertext.params_id)?;
    let poly = first_limbs(params, secret, ciphertext, ciphertext.c0.limbs());
    let Ciphertext { params_id, level, scale, .. } = *ciphertext;
    Ok(Plaintext { params_id, poly, level, scale })
}

/// Decrypts and decodes the real parts of all slots: what [`Encoder::decode_real`] gives of what [`decrypt`] gives, but
/// modulo no more primes than values of that range need, one way back for each of them. The caller wipes the values.
///
/// # Errors
/// [`Error::ParamsMismatch`] for a key or ciphertext of other parameters.
pub fn decrypt_real(
    encoder: &Encoder,
    secret: &SecretKey,
    ciphertext: &Ciphertext,
) -> Result<Vec<f64>, Error> {
    let params = encoder.params();
    params.check(secret.params_id)?;
    params.check(ciphertext.params_id)?;
    let limbs = encoder.limbs_of_values(ciphertext.scale).min(ciphertext.c0.limbs());
    let poly = Zeroizing::new(first_limbs(params, secret, ciphertext, limbs));
    Ok(encoder.slots(&poly, ciphertext.scale).re.into_public())
}

/// The first limbs of `c₀ + c₁·s`.
fn first_limbs(params: &Params, secret: &SecretKey, ciphertext: &Ciphertext, count: usize) -> Poly<Coeff> {
    let ring = params.ring();
    let mut poly = Poly::unwritten(ring.degree(), count);
    let halves = ciphertext.c0.iter().zip(ciphertext.c1.iter());
    for (i, (limb, (c0, c1))) in poly.iter_mut().zip(halves).enumerate() {
        ring.write_product(i, [c1, secret.poly.limb(i)], c0, limb);
        ring.inverse_limb(i, limb);
    }
    poly
}
