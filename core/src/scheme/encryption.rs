//! Encryption and decryption. Client code: nothing here branches on or indexes by a secret.
//!
//! CKKS is IND-CPA, not IND-CPA-D: whoever sees decryptions learns about the key (Li and
//! Micciancio, eprint 2020/1533), so decrypted values must not go back to whom evaluated.

use zeroize::Zeroize;

use super::{
    ciphertext::{Ciphertext, Plaintext, SeededCiphertext},
    error::Error,
    keys::{PublicKey, SecretKey},
    params::Params,
    sampling::{self, Stream},
    seed::{Seed, SeedSource},
};
use crate::{
    ring::{Binary, Ntt, Poly, Residues, Ring, Sum},
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
    let mut limb = Residues::stale(ring.degree());
    let mut summand = Wiped::zero(ring.degree());
    for (i, message) in plaintext.poly.iter().enumerate() {
        // The error is added to the message before the transform, which saves one per limb.
        sampling::sum_limb(ring, &error, i, message, &mut summand);
        mask_limb(ring, i, secret.poly.limb(i), (&seed, Stream::CIPHERTEXT), &mut summand, &mut limb);
        c0.push(&limb);
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

/// Decrypts: `c₀ + c₁·s`.
///
/// # Errors
/// [`Error::ParamsMismatch`] for a key or ciphertext of other parameters.
pub fn decrypt(params: &Params, secret: &SecretKey, ciphertext: &Ciphertext) -> Result<Plaintext, Error> {
    params.check(secret.params_id)?;
    params.check(ciphertext.params_id)?;
    let ring = params.ring();
    let mut poly = Poly::with_capacity(ring.degree(), ciphertext.c0.limbs());
    for (i, (c0, c1)) in ciphertext.c0.iter().zip(ciphertext.c1.iter()).enumerate() {
        poly.push(c1);
        let limb = poly.limb_mut(i);
        ring.multiply_limb(i, limb, secret.poly.limb(i), Sum::Add, c0);
        ring.inverse_limb(i, limb);
    }
    let Ciphertext { params_id, level, scale, .. } = *ciphertext;
    Ok(Plaintext { params_id, poly, level, scale })
}
