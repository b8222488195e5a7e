//! Making keys. Client code: nothing here branches on or indexes by a secret.

use zeroize::Zeroize;

use super::{
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
use crate::ring::{Binary, Interleaved, Ntt, Poly, Residues, Sum};

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
        let b = zero_encryption(params, secret, main, 0, (&seed, Stream::PUBLIC_KEY), (&error_seed, 0));
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
        let mut square = secret.poly.clone();
        let main = params.limbs_at(params.max_level());
        params.ring().combine(main, Binary::MultiplyMontgomery, &mut square, &secret.poly);
        let key = switching_key(params, secret, &square, level, seeds);
        square.zeroize();
        Ok(Self(key))
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
        let target = SecretKey {
            params_id: secret.params_id,
            poly: params.ring().permute(&permutation, &secret.poly),
            seed: secret.seed.clone(),
        };
        let key = switching_key(params, &target, &secret.poly, level, seeds);
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

/// `−a·s + e` over `main` main primes and `special` special ones.
fn zero_encryption(
    params: &Params,
    secret: &SecretKey,
    main: usize,
    special: usize,
    (seed, stream): (&Seed, Stream),
    (error_seed, error_index): (&Seed, usize),
) -> Poly<Ntt> {
    let ring = params.ring();
    let error = sampling::error(ring, error_seed, Stream::error(error_index));
    let mut error = ring.forward(main, sampling::to_residues(ring, &error, main, special));
    let mut b = sampling::uniform(ring, seed, stream, main, special);
    secret.multiply(params, main, &mut b, Sum::SubtractFrom, &error);
    error.zeroize();
    b
}

/// A key that switches `source`, in Montgomery form, to `target`.
fn switching_key(
    params: &Params,
    target: &SecretKey,
    source: &Poly<Ntt>,
    level: Level,
    seeds: &mut SeedSource,
) -> CompressedSwitchingKey {
    let ring = params.ring();
    let (seed, error_seed) = (seeds.next_seed(), seeds.next_seed());
    let (main, special) = (params.limbs_at(level), params.special_limbs());
    let digits = (0..params.digits_at(level))
        .map(|j| {
            let uniform = (&seed, Stream::digit(j));
            let mut b = zero_encryption(params, target, main, special, uniform, (&error_seed, j));
            for i in params.digit_limbs(level, j) {
                let modulus = ring.moduli()[i];
                let p = ring
                    .special()
                    .iter()
                    .fold(1, |p, s| modulus.mul(p, modulus.reduce_public(s.value().into())));
                let p = modulus.shoup(modulus.montgomery_reduce(p.into()));
                ring.add_scaled_limb(i, p, b.limb_mut(i), source.limb(i));
            }
            b
        })
        .collect();
    CompressedSwitchingKey { params_id: params.id(), level, seed, digits }
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
                sampling::uniform_limb(ring, &self.seed, Stream::digit(j), prime, &mut a);
                ring.write_montgomery_row(prime, b.limb(i), 2 * j, &mut rows);
                ring.write_montgomery_row(prime, &a, 2 * j + 1, &mut rows);
            }
            rows
        });
        let limbs = limbs.collect();
        Ok(SwitchingKey { params_id: self.params_id, level: self.level, limbs })
    }
}
