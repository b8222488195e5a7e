//! Conversion of coefficients from one set of primes to another. Owns the tables; knows neither
//! levels nor keys.
//!
//! The representative is the centred one: for `x mod S` the residues of the integer in
//! (−S/2, S/2) are returned, except that within a part in 2^16 of ±S/2 either neighbour may come
//! out, which is a valid representative too.
//!
//! Source: Halevi, Polyakov, Shoup, "An Improved RNS Variant of the BFV Homomorphic Encryption
//! Scheme" (eprint 2018/117), section 2, with the quotient in fixed point instead of floating
//! point, so that every machine computes the same bits.

use alloc::vec::Vec;

use crate::{
    arithmetic::{Modulus, ShoupFactor},
    lanes::{Backend, Kernel, Lanes},
};

use super::field::{Factor, Field};

/// Fractional bits of the quotient estimate; primes are above 2^20, so `⌊2^52/q⌋` fits 32 bits.
const QUOTIENT_BITS: u32 = 20;

/// Most source primes of a conversion.
pub(crate) const MAX_SOURCES: usize = 15;

/// Converts residues modulo the source primes to residues modulo target primes.
pub(crate) struct BaseConverter {
    sources: Vec<Source>,
    targets: Vec<Target>,
}

struct Source {
    modulus: Modulus,
    /// (S/sᵢ)⁻¹ mod sᵢ.
    hat_inverse: ShoupFactor,
    /// ⌊2^52/sᵢ⌋.
    reciprocal: u32,
}

struct Target {
    modulus: Modulus,
    /// S/sᵢ mod t in Montgomery form, one per source.
    hats: Vec<u32>,
    /// −S mod t in Montgomery form.
    minus_product: u32,
}

impl BaseConverter {
    pub(crate) fn new(sources: &[Modulus], targets: impl IntoIterator<Item = Modulus>) -> Self {
        debug_assert!(!sources.is_empty() && sources.len() <= MAX_SOURCES);
        let hat_mod = |skip: usize, m: Modulus| {
            let others = sources.iter().enumerate().filter(|(i, _)| *i != skip);
            others.fold(1, |product, (_, s)| m.mul(product, m.reduce_public(s.value().into())))
        };
        let targets = targets
            .into_iter()
            .map(|m| {
                let product = hat_mod(usize::MAX, m);
                Target {
                    modulus: m,
                    hats: (0..sources.len()).map(|i| m.to_montgomery(hat_mod(i, m))).collect(),
                    minus_product: m.to_montgomery(m.sub(0, product)),
                }
            })
            .collect();
        let sources = sources
            .iter()
            .enumerate()
            .map(|(i, &modulus)| Source {
                modulus,
                hat_inverse: modulus.shoup(modulus.invert(hat_mod(i, modulus))),
                reciprocal: ((1u64 << (32 + QUOTIENT_BITS)) / u64::from(modulus.value())) as u32,
            })
            .collect();
        Self { sources, targets }
    }

    /// Converts the coefficients of `sources` limbs into the first `targets.len()` target limbs.
    pub(crate) fn convert(&self, backend: Backend, sources: &[&[u32]], targets: &mut [&mut [u32]]) {
        debug_assert!(sources.len() == self.sources.len() && targets.len() <= self.targets.len());
        backend.run(Convert { converter: self, sources, targets });
    }
}

struct Convert<'a, 'b> {
    converter: &'a BaseConverter,
    sources: &'a [&'a [u32]],
    targets: &'a mut [&'b mut [u32]],
}

impl Kernel for Convert<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let mut digits = [L::splat(0).multiplier(); MAX_SOURCES];
        let count = self.sources.len();
        let vectors = self.sources[0].len() / L::WIDTH;
        for j in 0..vectors {
            let mut quotient = L::splat(1 << (QUOTIENT_BITS - 1));
            for ((digit, limb), source) in digits.iter_mut().zip(self.sources).zip(&self.converter.sources) {
                let field = Field::<L>::new(source.modulus);
                let reduced = field.mul(L::load(&L::chunks(limb)[j]), Factor::splat(source.hat_inverse));
                quotient = quotient.add(reduced.mul_high(L::constant(source.reciprocal)));
                *digit = reduced.multiplier();
            }
            let quotient = quotient.shift_right(QUOTIENT_BITS);
            for (out, target) in self.targets.iter_mut().zip(&self.converter.targets) {
                let mut sum = quotient.mul_wide(L::constant(target.minus_product));
                for (&digit, &hat) in digits[..count].iter().zip(&target.hats) {
                    sum = L::wide_add(sum, L::product(digit, L::constant(hat)));
                }
                Field::<L>::new(target.modulus).montgomery_sum(sum).store(&mut L::chunks_mut(out)[j]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::ntt_primes_near;
    use proptest::prelude::*;

    fn moduli(bits: u32, count: usize) -> Vec<Modulus> {
        ntt_primes_near(f64::from(1u32 << bits), 6).take(count).map(Modulus::new).collect()
    }

    proptest! {
        #[test]
        fn agrees_with_big_integers(values in prop::collection::vec(any::<i64>(), 64), count in 1usize..4) {
            let (sources, targets) = (moduli(30, count), moduli(25, 5));
            // Values in (−S/2, S/2): below a quarter of S, and of 2^62.
            let product: i128 = sources.iter().map(|m| i128::from(m.value())).product();
            let values: Vec<i128> = values.iter().map(|&v| i128::from(v) % (product / 4)).collect();
            let residues = |m: &Modulus| -> Vec<u32> {
                values.iter().map(|v| v.rem_euclid(i128::from(m.value())) as u32).collect()
            };
            let input: Vec<Vec<u32>> = sources.iter().map(residues).collect();
            let input: Vec<&[u32]> = input.iter().map(Vec::as_slice).collect();
            for backend in Backend::available() {
                let mut output = alloc::vec![alloc::vec![0u32; 64]; 5];
                let mut limbs: Vec<&mut [u32]> = output.iter_mut().map(Vec::as_mut_slice).collect();
                BaseConverter::new(&sources, targets.iter().copied()).convert(backend, &input, &mut limbs);
                let expected: Vec<Vec<u32>> = targets.iter().map(residues).collect();
                prop_assert_eq!(&output, &expected);
            }
        }
    }
}
