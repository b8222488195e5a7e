//! Hybrid key switching with grouped digits. Owns decomposition, the inner product with a key,
//! and exact division by the special modulus or by a level's primes.
//!
//! Source: Han and Ki, "Better Bootstrapping for Approximate Homomorphic Encryption"
//! (eprint 2019/688), section 3.3; hoisting: Halevi and Shoup, "Faster Homomorphic Linear
//! Transformations in HElib" (eprint 2018/244), section 5.

use alloc::vec::Vec;

use super::{error::Error, keys::SwitchingKey, level::Level, params::Params, tables::Division};
use crate::ring::{Ntt, Poly};

/// The digits of a polynomial, each lifted to all primes of the level and the special ones: the
/// expensive half of a key switch, shared by all rotations of one ciphertext.
#[derive(Clone, Debug)]
pub struct HoistedDigits {
    level: Level,
    digits: Vec<Poly<Ntt>>,
}

impl HoistedDigits {
    /// Decomposes a polynomial at `level`.
    ///
    /// Cost for ℓ limbs, k special primes and d digits: ℓ inverse and d(ℓ + k) − ℓ forward transforms.
    pub(crate) fn decompose(params: &Params, level: Level, poly: &Poly<Ntt>) -> Self {
        let ring = params.ring();
        let (main, special) = (params.limbs_at(level), params.special_limbs());
        let coefficients = ring.inverse(main, poly.clone());
        let digits = params.tables_at(level).digits.iter().enumerate().map(|(j, converter)| {
            let own = params.digit_limbs(level, j);
            let mut lifted = Poly::zero(ring.degree(), main + special);
            let sources: Vec<&[u32]> = own.clone().map(|i| coefficients.limb(i)).collect();
            let mut others: Vec<&mut [u32]> = Vec::with_capacity(main + special);
            for (i, limb) in lifted.iter_mut().enumerate() {
                if own.contains(&i) {
                    limb.copy_from_slice(poly.limb(i));
                } else {
                    others.push(limb);
                }
            }
            converter.convert(ring.backend(), &sources, &mut others);
            for (i, limb) in lifted.iter_mut().enumerate().filter(|(i, _)| !own.contains(i)) {
                ring.forward_limb(ring.prime_of_limb(main, i), limb);
            }
            lifted
        });
        Self { level, digits: digits.collect() }
    }

    /// The level of the polynomial that was decomposed.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// The digits, each over the level's primes and then the special ones.
    #[must_use]
    pub fn digits(&self) -> &[Poly<Ntt>] {
        &self.digits
    }

    /// The inner product with a key, over the level's primes and the special ones: `P` times the
    /// switched polynomial.
    ///
    /// # Errors
    /// [`Error::KeyLevelTooLow`].
    pub(crate) fn inner_product(&self, params: &Params, key: &SwitchingKey) -> Result<[Poly<Ntt>; 2], Error> {
        if key.level < self.level {
            return Err(Error::KeyLevelTooLow { needed: self.level, found: key.level });
        }
        let ring = params.ring();
        let (main, special) = (params.limbs_at(self.level), params.special_limbs());
        let key_main = params.limbs_at(key.level);
        let [mut b, mut a] = [(); 2].map(|()| Poly::zero(ring.degree(), main + special));
        for (i, (b, a)) in b.iter_mut().zip(a.iter_mut()).enumerate() {
            let key_limb = if i < main { i } else { key_main + i - main };
            let side = |half: usize| -> Vec<&[u32]> {
                key.digits.iter().take(self.digits.len()).map(|digit| digit[half].limb(key_limb)).collect()
            };
            let left: Vec<&[u32]> = self.digits.iter().map(|digit| digit.limb(i)).collect();
            ring.inner_products(ring.prime_of_limb(main, i), &left, [&side(0), &side(1)], [b, a]);
        }
        Ok([b, a])
    }
}

/// Switches a polynomial at `level` with a key: `(b, a)` with `b + a·s_to ≈ poly·s_from`.
///
/// # Errors
/// [`Error::KeyLevelTooLow`].
pub(crate) fn key_switch(
    params: &Params,
    level: Level,
    poly: &Poly<Ntt>,
    key: &SwitchingKey,
) -> Result<[Poly<Ntt>; 2], Error> {
    let sums = HoistedDigits::decompose(params, level, poly).inner_product(params, key)?;
    Ok(sums.map(|sum| mod_down(params, level, sum)))
}

/// Divides a polynomial over the primes of `level` and the special ones by the special modulus.
pub(crate) fn mod_down(params: &Params, level: Level, poly: Poly<Ntt>) -> Poly<Ntt> {
    let main = params.limbs_at(level);
    divide(params, &params.tables_at(level).special, main, main, poly)
}

/// Divides, with rounding, by the primes of the limbs from `remaining` on, which go away.
/// `main` of the limbs belong to main primes.
pub(crate) fn divide(
    params: &Params,
    division: &Division,
    main: usize,
    remaining: usize,
    mut poly: Poly<Ntt>,
) -> Poly<Ntt> {
    let ring = params.ring();
    let (kept, divided) = poly.residues_mut().split_at_mut(remaining * ring.degree());
    for (i, limb) in divided.chunks_exact_mut(ring.degree()).enumerate() {
        ring.inverse_limb(ring.prime_of_limb(main, remaining + i), limb);
    }
    let sources: Vec<&[u32]> = divided.chunks_exact(ring.degree()).collect();
    let mut remainder = Poly::<Ntt>::zero(ring.degree(), remaining);
    let mut targets: Vec<&mut [u32]> = remainder.iter_mut().collect();
    division.converter.convert(ring.backend(), &sources, &mut targets);
    let limbs = kept.chunks_exact_mut(ring.degree()).zip(remainder.iter_mut()).zip(&division.inverses);
    for (i, ((limb, remainder), &inverse)) in limbs.enumerate() {
        ring.forward_limb(i, remainder);
        ring.subtract_and_scale(i, inverse, limb, remainder);
    }
    poly.truncate(remaining);
    poly
}
