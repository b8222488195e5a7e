//! Sums of rotations before the division by the special modulus. A rotation's last step, mod-down,
//! is linear but for rounding; so a whole linear transform does it once, together with its rescaling.
//!
//! Source: Bossuat, Mouchet, Troncoso-Pastoriza, Hubaux, "Efficient Bootstrapping for Approximate
//! Homomorphic Encryption with Non-Sparse Keys" (eprint 2020/1203), section 4, double hoisting.

use super::{
    ciphertext::{Ciphertext, PreparedPlaintext, TensorCiphertext},
    error::Error,
    evaluator::{Evaluator, sums_of_products},
    key_switch::{HoistedDigits, divide, key_switch, mod_down},
    keys::{GaloisKey, RelinearizationKey},
    level::{Level, Scale},
};
use crate::ring::{Binary, Ntt, Poly};
use alloc::vec::Vec;

/// A ciphertext times the special modulus P, over the primes of its level and the special ones.
#[derive(Clone, Debug)]
pub(crate) struct ExtendedCiphertext {
    level: Level,
    scale: Scale,
    c0: Poly<Ntt>,
    c1: Poly<Ntt>,
}

impl Evaluator {
    /// `P·a`. 2ℓN multiplications.
    pub(crate) fn extend(&self, a: &Ciphertext) -> ExtendedCiphertext {
        let ring = self.params.ring();
        let limbs = a.c0.limbs() + self.params.special_limbs();
        let [c0, c1] = [&a.c0, &a.c1].map(|half| {
            let mut out = Poly::zero(ring.degree(), limbs);
            self.add_times_special(&mut out, half);
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
        self.relinearize_rescale(&self.multiply(a, b)?, key)
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
        let [d0, d1, d2] = &tensor.d;
        let [mut c0, mut c1] = key_switch(&self.params, tensor.level, d2, &key.0)?;
        self.add_times_special(&mut c0, d0);
        self.add_times_special(&mut c1, d1);
        self.rescale_extended(ExtendedCiphertext { level: tensor.level, scale: tensor.scale, c0, c1 })
    }

    /// Rotates a ciphertext whose digits are at hand. No transform at all.
    ///
    /// # Errors
    /// [`Error::KeyLevelTooLow`].
    pub(crate) fn rotate_hoisted_extended(
        &self,
        a: &Ciphertext,
        digits: &HoistedDigits,
        key: &GaloisKey,
    ) -> Result<ExtendedCiphertext, Error> {
        let [mut c0, c1] = digits.inner_product(&self.params, &key.key)?;
        self.add_times_special(&mut c0, &a.c0);
        let [c0, c1] = [c0, c1].map(|poly| self.params.ring().permute(&key.permutation, &poly));
        Ok(ExtendedCiphertext { level: a.level, scale: a.scale, c0, c1 })
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
        let (params, ring) = (&self.params, self.params.ring());
        let [c1] = mod_down(params, a.level, [a.c1.clone()], |_, _, _| ());
        let [mut c0, c1] = key_switch(params, a.level, &c1, &key.key)?;
        ring.combine(params.limbs_at(a.level), Binary::Add, &mut c0, &a.c0);
        let [c0, c1] = [c0, c1].map(|poly| ring.permute(&key.permutation, &poly));
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
        let products = sums_of_products(self.params.ring(), main, &polys, &factors);
        let (level, scale) = (first.level, first.scale.times(factor.scale));
        products.into_iter().map(|[c0, c1]| ExtendedCiphertext { level, scale, c0, c1 }).collect()
    }

    /// `a += b`, both of one level and scale.
    pub(crate) fn add_assign_extended(&self, a: &mut ExtendedCiphertext, b: &ExtendedCiphertext) {
        let (ring, main) = (self.params.ring(), self.params.limbs_at(a.level));
        ring.combine(main, Binary::Add, &mut a.c0, &b.c0);
        ring.combine(main, Binary::Add, &mut a.c1, &b.c1);
    }

    /// Divides by the special modulus and the level's primes at once.
    ///
    /// # Errors
    /// [`Error::LevelExhausted`] at level 0.
    pub(crate) fn rescale_extended(&self, a: ExtendedCiphertext) -> Result<Ciphertext, Error> {
        let params = &self.params;
        let Some(division) = &params.tables_at(a.level).rescale_extended else {
            let [c0, c1] = mod_down(params, a.level, [a.c0, a.c1], |_, _, _| ());
            let (params_id, level, scale) = (params.id(), a.level, a.scale);
            return self.rescale(&Ciphertext { params_id, level, scale, c0, c1 });
        };
        let below = a.level.below().ok_or(Error::LevelExhausted)?;
        let (main, remaining) = (params.limbs_at(a.level), params.limbs_at(below));
        let [c0, c1] = divide(params, division, main, remaining, [a.c0, a.c1], |_, _, _| ());
        let scale = a.scale.divided_by(params.level_divisor(a.level));
        Ok(Ciphertext { params_id: params.id(), level: below, scale, c0, c1 })
    }

    /// `out += P·poly`; modulo the special primes that is 0.
    fn add_times_special(&self, out: &mut Poly<Ntt>, poly: &Poly<Ntt>) {
        let factors = &self.params.tables_at(self.params.max_level()).special_product;
        for (i, (out, limb)) in out.iter_mut().zip(poly.iter()).enumerate() {
            self.params.ring().add_scaled_limb(i, factors[i], out, limb);
        }
    }
}
