//! Making keys. Client code: nothing here branches on or indexes by a secret.

use alloc::vec::Vec;

use super::{
    encryption::mask_limb,
    error::Error,
    galois::GaloisElement,
    keys::{
        CompressedGaloisKey, CompressedRelinearizationKey, CompressedSwitchingKey, PublicKey, SecretKey,
        SwitchingKey,
    },
    level::Level,
    params::Params,
    sampling::{self, Stream},
    seed::{Seed, SeedSource},
};
use crate::{
    arithmetic::ShoupFactor,
    ring::{Binary, Interleaved, Ntt, Poly, Residues, Ring, Sum},
    wiped::Wiped,
};

impl SecretKey {
    /// Expands the secret key of a seed: N coefficients uniform in {−1, 0, 1}.
    #[must_use]
    pub fn generate(params: &Params, seed: &Seed) -> Self {
        let ring = params.ring();
        let main = params.limbs_at(params.max_level());
        let coefficients = sampling::ternary(ring, seed, Stream::SECRET);
        let residues = sampling::to_residues(ring, &coefficients, main, params.special_limbs());
        let poly = ring.forward_prepared(main, residues);
        Self { params_id: params.id(), poly, seed: seed.clone() }
    }

    /// `poly·s + other` or `other − poly·s` over the primes of `poly`, in place; `main` of its limbs belong to main
    /// primes.
    pub(crate) fn multiply(
        &self,
        params: &Params,
        main: usize,
        poly: &mut Poly<Ntt>,
        sum: Sum,
        other: &Poly<Ntt>,
    ) {
        let ring = params.ring();
        for (i, (limb, other)) in poly.iter_mut().zip(other.iter()).enumerate() {
            let prime = ring.prime_of_limb(main, i);
            ring.multiply_limb(prime, limb, self.poly.limb(prime), sum, other);
        }
    }
}

impl PublicKey {
    /// Makes the public key of a secret key.
    ///
    /// `b = −a·s + e` over all main primes, a expanded from a public seed.
    ///
    /// # Errors
    /// [`Error::ParamsMismatch`] for a secret key of other parameters.
    pub fn generate(params: &Params, secret: &SecretKey, seeds: &mut SeedSource) -> Result<Self, Error> {
        check(params, secret)?;
        let (seed, error_seed) = (seeds.next_seed(), seeds.next_seed());
        let main = params.limbs_at(params.max_level());
        let ring = params.ring();
        let error = sampling::error(ring, &error_seed, Stream::error(0));
        let mut b = Poly::with_capacity(ring.degree(), main);
        let mut summand = Wiped::zero(ring.degree());
        for i in 0..main {
            sampling::to_residues_limb(ring, &error, i, &mut summand);
            let limb = b.push_unwritten();
            mask_limb(ring, i, secret.poly.limb(i), (&seed, Stream::PUBLIC_KEY), &mut summand, limb);
        }
        Ok(Self { params_id: params.id(), b, seed })
    }
}

impl CompressedRelinearizationKey {
    /// Makes the key that switches s² to s, for ciphertexts up to `level`.
    ///
    /// # Errors
    /// [`Error::ParamsMismatch`], [`Error::NoSuchLevel`].
    pub fn generate(
        params: &Params,
        secret: &SecretKey,
        level: Level,
        seeds: &mut SeedSource,
    ) -> Result<Self, Error> {
        check_at(params, secret, level)?;
        Ok(Self(switching_key(params, secret, Switch::Square, level, seeds)))
    }
}

impl CompressedGaloisKey {
    /// Makes the key of an automorphism, for ciphertexts up to `level`.
    ///
    /// It switches s to `σ_g⁻¹(s)`, after which applying σ_g gives a ciphertext under s: the digits
    /// of a hoisted decomposition need no permutation.
    ///
    /// # Errors
    /// [`Error::ParamsMismatch`], [`Error::NoSuchLevel`].
    pub fn generate(
        params: &Params,
        secret: &SecretKey,
        element: GaloisElement,
        level: Level,
        seeds: &mut SeedSource,
    ) -> Result<Self, Error> {
        check_at(params, secret, level)?;
        let permutation = params.ring().ntt_permutation(element.inverse(params).value());
        let key = switching_key(params, secret, Switch::Permuted(&permutation), level, seeds);
        Ok(Self { element, key })
    }
}

fn check(params: &Params, secret: &SecretKey) -> Result<(), Error> {
    params.check(secret.params_id)
}

fn check_at(params: &Params, secret: &SecretKey, level: Level) -> Result<(), Error> {
    check(params, secret)?;
    let max = params.max_level();
    params.has_level(level).then_some(()).ok_or(Error::NoSuchLevel { max, found: level })
}

/// What a key switches, and to what.
#[derive(Clone, Copy)]
enum Switch<'a> {
    /// s² to s.
    Square,
    /// s to itself with its values permuted.
    Permuted(&'a [u32]),
}

/// A key that switches one thing made of the secret key to another.
///
/// Limb by limb, so that the factors of a prime's transform are read once for all digits, and what is secret besides
/// the errors is one limb at a time.
fn switching_key(
    params: &Params,
    secret: &SecretKey,
    switch: Switch<'_>,
    level: Level,
    seeds: &mut SeedSource,
) -> CompressedSwitchingKey {
    let ring = params.ring();
    let (seed, error_seed) = (seeds.next_seed(), seeds.next_seed());
    let (main, special) = (params.limbs_at(level), params.special_limbs());
    let count = params.digits_at(level);
    let errors: Vec<_> = (0..count).map(|j| sampling::error(ring, &error_seed, Stream::error(j))).collect();
    let mut digits: Vec<_> = (0..count).map(|_| Poly::with_capacity(ring.degree(), main + special)).collect();
    let mut derived = Wiped::zero(ring.degree());
    let mut summand = Wiped::zero(ring.degree());
    for i in 0..main + special {
        let prime = ring.prime_of_limb(main, i);
        let secret = secret.poly.limb(prime);
        let (source, target) = match switch {
            Switch::Square => {
                derived.copy_from_slice(secret);
                ring.combine_limb(prime, Binary::MultiplyMontgomery, &mut derived, secret);
                (&derived[..], secret)
            }
            Switch::Permuted(permutation) => {
                ring.permute_limb(permutation, secret, &mut derived);
                (secret, &derived[..])
            }
        };
        for (j, (digit, error)) in digits.iter_mut().zip(&errors).enumerate() {
            sampling::to_residues_limb(ring, error, prime, &mut summand);
            let b = digit.push_unwritten();
            mask_limb(ring, prime, target, (&seed, Stream::digit(j)), &mut summand, b);
            if params.digit_limbs(level, j).contains(&i) {
                ring.add_scaled_limb(i, special_from_montgomery(ring, i), b, source);
            }
        }
    }
    CompressedSwitchingKey { params_id: params.id(), level, seed, digits }
}

/// The special modulus modulo a main prime, to be multiplied by what is in Montgomery form.
fn special_from_montgomery(ring: &Ring, prime: usize) -> ShoupFactor {
    let modulus = ring.moduli()[prime];
    let residues = ring.special().iter().map(|special| modulus.reduce_public(special.value().into()));
    let product = residues.fold(1, |product, residue| modulus.mul(product, residue));
    modulus.shoup(modulus.montgomery_reduce(product.into()))
}

impl CompressedSwitchingKey {
    pub(crate) fn prepare(&self, params: &Params) -> Result<SwitchingKey, Error> {
        params.check(self.params_id)?;
        let ring = params.ring();
        let (main, special) = (params.limbs_at(self.level), params.special_limbs());
        let mut a = Residues::stale(params.degree());
        // Limb by limb, so that rows that are stored in turns are written while their memory is in the cache.
        let limbs = (0..main + special).map(|i| {
            let prime = ring.prime_of_limb(main, i);
            let mut rows = Interleaved::unwritten(2 * self.digits.len(), params.degree());
            for (j, b) in self.digits.iter().enumerate() {
                sampling::uniform_words(ring, &self.seed, Stream::digit(j), prime, &mut a);
                ring.write_montgomery_row(prime, b.limb(i), 2 * j, &mut rows);
                ring.write_montgomery_row(prime, &a, 2 * j + 1, &mut rows);
            }
            rows
        });
        let limbs = limbs.collect();
        Ok(SwitchingKey { params_id: self.params_id, level: self.level, limbs })
    }
}
