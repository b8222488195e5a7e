//! Hybrid key switching with grouped digits. Owns decomposition, the inner product with a key,
//! and exact division by the special modulus or by a level's primes.
//!
//! Source: Han and Ki, "Better Bootstrapping for Approximate Homomorphic Encryption"
//! (eprint 2019/688), section 3.3; hoisting: Halevi and Shoup, "Faster Homomorphic Linear
//! Transformations in HElib" (eprint 2018/244), section 5.

use alloc::vec::Vec;
use core::ops::Range;

use super::{
    error::Error,
    keys::SwitchingKey,
    level::Level,
    params::{Params, ParamsId},
    tables::Division,
};
use crate::ring::{BaseConverter, Ntt, Poly, Residues};

/// Limbs scaled for a conversion, and their quotients.
struct Scaled<'a> {
    converter: &'a BaseConverter,
    limbs: Residues,
    quotients: Residues,
}

impl<'a> Scaled<'a> {
    /// From transforms; `prime` tells the prime of each of them.
    fn new(
        params: &Params,
        converter: &'a BaseConverter,
        transforms: &[u32],
        prime: impl Fn(usize) -> usize,
    ) -> Self {
        let ring = params.ring();
        let mut limbs = Residues::copy_of(transforms);
        for (i, limb) in limbs.chunks_exact_mut(ring.degree()).enumerate() {
            ring.inverse_limb_scaled(prime(i), converter.scaling(i), limb);
        }
        let mut quotients = Residues::zero(ring.degree());
        let sources: Vec<&[u32]> = limbs.chunks_exact(ring.degree()).collect();
        converter.quotients(ring.backend(), &sources, &mut quotients);
        Self { converter, limbs, quotients }
    }

    /// Converts to a target of the converter, which has the number `prime` in the ring, and transforms.
    fn lift(&self, params: &Params, target: usize, prime: usize, out: &mut [u32]) {
        let ring = params.ring();
        let sources: Vec<&[u32]> = self.limbs.chunks_exact(ring.degree()).collect();
        self.converter.convert(ring.backend(), target, &sources, &self.quotients, out);
        ring.forward_limb(prime, out);
    }
}

/// One digit of a polynomial before it is lifted.
struct Digit<'a> {
    own: Range<usize>,
    scaled: Scaled<'a>,
}

impl<'a> Digit<'a> {
    /// All digits of a polynomial at `level`. ℓ inverse transforms.
    fn all(params: &'a Params, level: Level, poly: &Poly<Ntt>) -> Vec<Self> {
        let converters = params.tables_at(level).digits.iter().enumerate();
        let digits = converters.map(|(j, converter)| {
            let own = params.digit_limbs(level, j);
            let transforms = &poly.residues()[own.start * poly.degree()..own.end * poly.degree()];
            let scaled = Scaled::new(params, converter, transforms, |i| own.start + i);
            Self { own, scaled }
        });
        digits.collect()
    }

    /// The digit modulo the prime of one limb: the polynomial's own limb where it covers that, else
    /// lifted into `space`.
    fn limb<'s>(
        &self,
        params: &Params,
        main: usize,
        limb: usize,
        poly: &'s Poly<Ntt>,
        space: &'s mut [u32],
    ) -> &'s [u32] {
        if self.own.contains(&limb) {
            return poly.limb(limb);
        }
        let target = if limb < self.own.start { limb } else { limb - self.own.len() };
        self.scaled.lift(params, target, params.ring().prime_of_limb(main, limb), space);
        space
    }
}

/// The digits of a polynomial, each lifted to all primes of the level and the special ones: the
/// expensive half of a key switch, shared by all rotations of one ciphertext.
#[derive(Clone, Debug)]
pub struct HoistedDigits {
    params_id: ParamsId,
    level: Level,
    digits: Vec<Poly<Ntt>>,
}

impl HoistedDigits {
    /// Decomposes a polynomial at `level`.
    ///
    /// Cost for ℓ limbs, k special primes and d digits: ℓ inverse and d(ℓ + k) − ℓ forward transforms.
    pub(crate) fn decompose(params: &Params, level: Level, poly: &Poly<Ntt>) -> Self {
        let (main, special) = (params.limbs_at(level), params.special_limbs());
        let scaled = Digit::all(params, level, poly);
        let zero = |_: &Digit<'_>| Poly::zero(params.degree(), main + special);
        let mut digits: Vec<Poly<Ntt>> = scaled.iter().map(zero).collect();
        // One prime after the other, so that its twiddle factors stay in the cache.
        for limb in 0..main + special {
            for (digit, out) in scaled.iter().zip(&mut digits) {
                if digit.own.contains(&limb) {
                    out.limb_mut(limb).copy_from_slice(poly.limb(limb));
                } else {
                    digit.limb(params, main, limb, poly, out.limb_mut(limb));
                }
            }
        }
        Self { params_id: params.id(), level, digits }
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
    /// [`Error::KeyLevelTooLow`], [`Error::ParamsMismatch`] for a key of other parameters.
    pub(crate) fn inner_product(&self, params: &Params, key: &SwitchingKey) -> Result<[Poly<Ntt>; 2], Error> {
        params.check(self.params_id)?;
        inner_products(params, self.level, key, |limb, multiply| {
            let left: Vec<&[u32]> = self.digits.iter().map(|digit| digit.limb(limb)).collect();
            multiply(&left);
        })
    }
}

/// Switches a polynomial at `level` with a key: `(b, a)` with `b + a·s_to ≈ P·poly·s_from`, over the level's
/// primes and the special ones.
///
/// As [`HoistedDigits::decompose`] and [`HoistedDigits::inner_product`], with one limb of each digit in memory.
///
/// # Errors
/// [`Error::KeyLevelTooLow`], [`Error::ParamsMismatch`] for a key of other parameters.
pub(crate) fn key_switch(
    params: &Params,
    level: Level,
    poly: &Poly<Ntt>,
    key: &SwitchingKey,
) -> Result<[Poly<Ntt>; 2], Error> {
    let (degree, main) = (params.degree(), params.limbs_at(level));
    let digits = Digit::all(params, level, poly);
    let mut space = Residues::zero(digits.len() * degree);
    inner_products(params, level, key, |limb, multiply| {
        let spaces = space.chunks_exact_mut(degree);
        let left: Vec<&[u32]> = digits
            .iter()
            .zip(spaces)
            .map(|(digit, space)| digit.limb(params, main, limb, poly, space))
            .collect();
        multiply(&left);
    })
}

/// The inner product of digits with a key. `with_limb` calls back with the given limb of every digit.
fn inner_products(
    params: &Params,
    level: Level,
    key: &SwitchingKey,
    mut with_limb: impl FnMut(usize, &mut dyn FnMut(&[&[u32]])),
) -> Result<[Poly<Ntt>; 2], Error> {
    params.check(key.params_id)?;
    if key.level < level {
        return Err(Error::KeyLevelTooLow { needed: level, found: key.level });
    }
    let ring = params.ring();
    let (main, special) = (params.limbs_at(level), params.special_limbs());
    let key_main = params.limbs_at(key.level);
    let [mut b, mut a] = [(); 2].map(|()| Poly::zero(ring.degree(), main + special));
    for (limb, (b, a)) in b.iter_mut().zip(a.iter_mut()).enumerate() {
        let key_limb = if limb < main { limb } else { key_main + limb - main };
        with_limb(limb, &mut |left| {
            let side = |half: usize| -> Vec<&[u32]> {
                key.digits.iter().take(left.len()).map(|digit| digit[half].limb(key_limb)).collect()
            };
            ring.inner_products(ring.prime_of_limb(main, limb), left, [&side(0), &side(1)], [b, a]);
        });
    }
    Ok([b, a])
}

/// Divides polynomials over the primes of `level` and the special ones by the special modulus.
/// `finish` gets the number of each polynomial, the number of each limb and the limb while it is in the cache.
pub(crate) fn mod_down<const COUNT: usize>(
    params: &Params,
    level: Level,
    polys: [Poly<Ntt>; COUNT],
    finish: impl FnMut(usize, usize, &mut [u32]),
) -> [Poly<Ntt>; COUNT] {
    let main = params.limbs_at(level);
    divide(params, &params.tables_at(level).special, main, main, polys, finish)
}

/// Divides, with rounding, by the primes of the limbs from `remaining` on, which go away.
/// `main` of the limbs belong to main primes. `finish`: see [`mod_down`].
pub(crate) fn divide<const COUNT: usize>(
    params: &Params,
    division: &Division,
    main: usize,
    remaining: usize,
    mut polys: [Poly<Ntt>; COUNT],
    mut finish: impl FnMut(usize, usize, &mut [u32]),
) -> [Poly<Ntt>; COUNT] {
    let ring = params.ring();
    let remainders = polys.each_ref().map(|poly| {
        let divided = &poly.residues()[remaining * ring.degree()..];
        Scaled::new(params, &division.converter, divided, |i| ring.prime_of_limb(main, remaining + i))
    });
    let mut lifted = Residues::zero(ring.degree());
    for (i, &inverse) in division.inverses.iter().enumerate() {
        for (k, (poly, remainder)) in polys.iter_mut().zip(&remainders).enumerate() {
            remainder.lift(params, i, i, &mut lifted);
            ring.subtract_and_scale(i, inverse, poly.limb_mut(i), &lifted);
            finish(k, i, poly.limb_mut(i));
        }
    }
    polys.map(|mut poly| {
        poly.truncate(remaining);
        poly
    })
}
