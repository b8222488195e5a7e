//! Sums of rotations before the division by the special modulus. A rotation's last step, mod-down,
//! is linear but for rounding; so a whole linear transform does it once, together with its rescaling.
//!
//! Source: Bossuat, Mouchet, Troncoso-Pastoriza, Hubaux, "Efficient Bootstrapping for Approximate
//! Homomorphic Encryption with Non-Sparse Keys" (eprint 2020/1203), section 4, double hoisting.

use super::{
    ciphertext::{Ciphertext, PreparedPlaintext, TensorCiphertext},
    error::Error,
    evaluator::Evaluator,
    key_switch::{Digits, HoistedDigits},
    keys::{GaloisKey, RelinearizationKey},
    level::{Level, Scale},
};
use crate::arithmetic::ShoupFactor;
use crate::ring::{Binary, Cost, Ntt, Poly, for_each, reusing};
use alloc::vec::Vec;
use core::borrow::Borrow;

/// A ciphertext times the special modulus P, over the primes of its level and the special ones.
#[derive(Clone, Debug)]
pub(crate) struct ExtendedCiphertext {
    pub(super) level: Level,
    pub(super) scale: Scale,
    pub(super) c0: Poly<Ntt>,
    pub(super) c1: Poly<Ntt>,
}

impl Evaluator {
    /// `P·a`. 2ℓN multiplications.
    pub(crate) fn extend(&self, a: &Ciphertext) -> ExtendedCiphertext {
        let ring = self.params.ring();
        let limbs = a.c0.limbs() + self.params.special_limbs();
        let [c0, c1] = [&a.c0, &a.c1].map(|half| {
            let mut out = Poly::zero(ring.degree(), limbs);
            let cost = Cost::passes(4 * half.limbs(), ring.degree());
            for_each(&*self.team, cost, out.iter_mut().enumerate(), |(i, out)| {
                self.add_limb_times_special(i, out, half);
            });
            out
        });
        ExtendedCiphertext { level: a.level, scale: a.scale, c0, c1 }
    }

    /// Multiplies slot by slot, and divides by the level's primes: `out.level = a.level − 1`,
    /// `out.scale = a.scale · b.scale / ∏ qᵢ`.
    ///
    /// # Errors
    /// Those of [`Evaluator::multiply`] and [`Evaluator::relinearize_rescale`].
    pub fn multiply_relinearize_rescale(
        &self,
        a: &Ciphertext,
        b: &Ciphertext,
        key: &RelinearizationKey,
    ) -> Result<Ciphertext, Error> {
        self.check(a)?;
        self.check_against(b, a.level)?;
        self.relinearized_and_rescaled(a.level, a.scale.times(b.scale), || self.multiply(a, b), key)
    }

    /// Brings a product back to two components and divides by the level's primes, with one division by
    /// them and the special modulus together.
    ///
    /// # Errors
    /// [`Error::KeyLevelTooLow`], [`Error::LevelExhausted`] at level 0, [`Error::ParamsMismatch`].
    pub fn relinearize_rescale(
        &self,
        tensor: &TensorCiphertext,
        key: &RelinearizationKey,
    ) -> Result<Ciphertext, Error> {
        self.params.check(tensor.params_id)?;
        self.relinearized_and_rescaled(tensor.level, tensor.scale, || Ok(tensor), key)
    }

    /// As [`Self::relinearize_rescale`], of what `tensor` makes where memory is used again.
    fn relinearized_and_rescaled<T: Borrow<TensorCiphertext>>(
        &self,
        level: Level,
        scale: Scale,
        tensor: impl FnOnce() -> Result<T, Error>,
        key: &RelinearizationKey,
    ) -> Result<Ciphertext, Error> {
        let below = level.below().ok_or(Error::LevelExhausted)?;
        let Some(both) = &self.params.tables_at(level).rescale_extended else {
            return self.rescale(&self.relinearize(tensor()?.borrow(), key)?);
        };
        let mut out = self.unwritten_quotients(both);
        reusing(|| {
            let tensor = tensor()?;
            let [d0, d1, d2] = &tensor.borrow().d;
            let (digits, finish) = (Digits::new(self, level, d2), Default::default());
            self.switch_and_divide((level, &key.0), &digits, Some([d0, d1]), both, finish, &mut out)
        })?;
        let [c0, c1] = out;
        let scale = scale.divided_by(self.params.level_divisor(level));
        Ok(Ciphertext { params_id: self.params.id(), level: below, scale, c0, c1 })
    }

    /// Rotates a ciphertext, given that its digits are at hand, once with each key. No transform at all.
    ///
    /// # Errors
    /// [`Error::KeyLevelTooLow`].
    pub(crate) fn rotate_hoisted_extended(
        &self,
        a: &ExtendedCiphertext,
        digits: &HoistedDigits,
        keys: &[&GaloisKey],
    ) -> Result<Vec<ExtendedCiphertext>, Error> {
        let (ring, main) = (self.params.ring(), self.params.limbs_at(a.level));
        let rotated = self.inner_products_of(digits, keys, |i, [b, _]| {
            ring.combine_limb(ring.prime_of_limb(main, i), Binary::Add, b, a.c0.limb(i));
        })?;
        let (level, scale) = (a.level, a.scale);
        Ok(rotated.into_iter().map(|[c0, c1]| ExtendedCiphertext { level, scale, c0, c1 }).collect())
    }

    /// Rotates a sum: its c₁ alone is divided by P, to be decomposed.
    ///
    /// # Errors
    /// [`Error::KeyLevelTooLow`].
    pub(crate) fn rotate_extended(
        &self,
        a: &ExtendedCiphertext,
        key: &GaloisKey,
    ) -> Result<ExtendedCiphertext, Error> {
        let (ring, main) = (self.params.ring(), self.params.limbs_at(a.level));
        let division = &self.params.tables_at(a.level).special;
        let [c1] = self.divide(a.level, division, || Ok([&a.c1]))?;
        let [c0, c1] = self.key_switch(a.level, &c1, key, |i, [b, _]| {
            ring.combine_limb(ring.prime_of_limb(main, i), Binary::Add, b, a.c0.limb(i));
        })?;
        Ok(ExtendedCiphertext { level: a.level, scale: a.scale, c0, c1 })
    }

    /// Sums products of ciphertexts, given by their number, with factors of
    /// [`encode_extended`](super::Encoder::encode_extended): several sums over the same ciphertexts, all of one
    /// scale.
    pub(crate) fn multiply_plain_sums_extended(
        &self,
        ciphertexts: &[ExtendedCiphertext],
        sums: &[Vec<(usize, &PreparedPlaintext)>],
    ) -> Vec<ExtendedCiphertext> {
        let polys: Vec<_> = ciphertexts.iter().map(|x| [&x.c0, &x.c1]).collect();
        let factors = sums.iter().map(|sum| sum.iter().map(|&(k, factor)| (k, &factor.poly)).collect());
        let factors: Vec<_> = factors.collect();
        let (first, (_, factor)) = (&ciphertexts[0], sums[0][0]);
        let main = self.params.limbs_at(first.level);
        let products = self.sums_of_products(main, &polys, &factors);
        let (level, scale) = (first.level, first.scale.times(factor.scale));
        products.into_iter().map(|[c0, c1]| ExtendedCiphertext { level, scale, c0, c1 }).collect()
    }

    /// `a += b`, both of one level and scale.
    pub(crate) fn add_assign_extended(&self, a: &mut ExtendedCiphertext, b: &ExtendedCiphertext) {
        self.combine_halves(Binary::Add, a.level, [&mut a.c0, &mut a.c1], [&b.c0, &b.c1]);
    }

    /// Divides by the special modulus and the level's primes at once.
    ///
    /// # Errors
    /// [`Error::LevelExhausted`] at level 0.
    pub(crate) fn rescale_extended(&self, a: &ExtendedCiphertext) -> Result<Ciphertext, Error> {
        self.rescale_sums(a.level, a.scale, || Ok([&a.c0, &a.c1]))
    }

    /// As [`Self::rescale_extended`], of what `sums` makes.
    fn rescale_sums<P: Borrow<Poly<Ntt>>>(
        &self,
        level: Level,
        scale: Scale,
        sums: impl FnOnce() -> Result<[P; 2], Error>,
    ) -> Result<Ciphertext, Error> {
        let tables = self.params.tables_at(level);
        let (Some(below), Some(rescale)) = (level.below(), &tables.rescale) else {
            return Err(Error::LevelExhausted);
        };
        let [c0, c1] = match &tables.rescale_extended {
            Some(both) => self.divide(level, both, sums)?,
            None => {
                let sums = || self.divide(level, &tables.special, sums);
                self.divide(level, rescale, sums)?
            }
        };
        let scale = scale.divided_by(self.params.level_divisor(level));
        Ok(Ciphertext { params_id: self.params.id(), level: below, scale, c0, c1 })
    }

    /// `out += P·poly` for the limb of that number; modulo the special primes that is 0.
    pub(super) fn add_limb_times_special(&self, limb: usize, out: &mut [u32], poly: &Poly<Ntt>) {
        if limb < poly.limbs() {
            self.params.ring().add_scaled_limb(limb, self.special_product(limb), out, poly.limb(limb));
        }
    }

    /// The special modulus modulo a main prime.
    pub(super) fn special_product(&self, limb: usize) -> ShoupFactor {
        self.params.tables_at(self.params.max_level()).special_product[limb]
    }
}
