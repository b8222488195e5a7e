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

use super::field::Field;

/// Fractional bits of the quotient estimate; primes are above 2^20, so `⌊2^52/q⌋` fits 32 bits.
const QUOTIENT_BITS: u32 = 20;

/// Most source primes of a conversion.
pub(crate) const MAX_SOURCES: usize = 15;

/// Converts residues modulo the source primes to residues modulo target primes.
pub(crate) struct BaseConverter {
    sources: Vec<Source>,
    targets: Vec<Target>,
    /// Whether the source primes and the largest quotient add up to less than 2^32: then so many residues times
    /// factors below t are a sum below `t·2^32`.
    fits: bool,
}

struct Source {
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
        let most = sources.iter().map(|s| u64::from(s.value())).sum::<u64>() + sources.len() as u64;
        let fits = most <= 1 << 32;
        let sources = sources
            .iter()
            .enumerate()
            .map(|(i, &modulus)| Source {
                hat_inverse: modulus.shoup(modulus.invert(hat_mod(i, modulus))),
                reciprocal: ((1u64 << (32 + QUOTIENT_BITS)) / u64::from(modulus.value())) as u32,
            })
            .collect();
        Self { sources, targets, fits }
    }

    /// What the coefficients of a source limb are multiplied by before anything else.
    pub(crate) fn scaling(&self, source: usize) -> ShoupFactor {
        self.sources[source].hat_inverse
    }

    /// How often the product of the source primes is contained in the sum of scaled limbs, for each
    /// coefficient.
    pub(crate) fn quotients(&self, backend: Backend, scaled: &[&[u32]], out: &mut [u32]) {
        debug_assert_eq!(scaled.len(), self.sources.len());
        backend.run(Quotients { sources: &self.sources, scaled, out });
    }

    /// Converts to one target prime, from scaled limbs and their quotients.
    pub(crate) fn convert(
        &self,
        backend: Backend,
        target: usize,
        scaled: &[&[u32]],
        quotients: &[u32],
        out: &mut [u32],
    ) {
        debug_assert_eq!(scaled.len(), self.sources.len());
        backend.run(Convert { target: &self.targets[target], fits: self.fits, scaled, quotients, out });
    }
}

struct Quotients<'a> {
    sources: &'a [Source],
    scaled: &'a [&'a [u32]],
    out: &'a mut [u32],
}

impl Kernel for Quotients<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        for (j, out) in L::chunks_mut(self.out).iter_mut().enumerate() {
            let mut quotient = L::splat(1 << (QUOTIENT_BITS - 1));
            for (limb, source) in self.scaled.iter().zip(self.sources) {
                let digit = L::load(&L::chunks(limb)[j]);
                quotient = quotient.add(digit.mul_high(L::constant(source.reciprocal)));
            }
            quotient.shift_right(QUOTIENT_BITS).store(out);
        }
    }
}

struct Convert<'a> {
    target: &'a Target,
    fits: bool,
    scaled: &'a [&'a [u32]],
    quotients: &'a [u32],
    out: &'a mut [u32],
}

/// How many vectors are converted side by side: their sums and a constant fit sixteen registers.
const SIDE_BY_SIDE: usize = 4;

impl Kernel for Convert<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { target, fits, scaled, quotients, out } = self;
        let field = Field::<L>::new(target.modulus);
        let (blocks, rest) = L::chunks_mut(out).as_chunks_mut::<SIDE_BY_SIDE>();
        let (quotient_blocks, quotient_rest) = L::chunks(quotients).as_chunks::<SIDE_BY_SIDE>();
        for (j, ([x0, x1, x2, x3], [v0, v1, v2, v3])) in blocks.iter_mut().zip(quotient_blocks).enumerate() {
            let minus_product = L::turn_constant(target.minus_product);
            let mut s0 = L::load(v0).mul_wide(minus_product);
            let mut s1 = L::load(v1).mul_wide(minus_product);
            let mut s2 = L::load(v2).mul_wide(minus_product);
            let mut s3 = L::load(v3).mul_wide(minus_product);
            for (limb, &hat) in scaled.iter().zip(&target.hats) {
                let ([y0, y1, y2, y3], hat) = (&L::chunks(limb).as_chunks().0[j], L::turn_constant(hat));
                s0 = L::wide_add(s0, L::load(y0).mul_wide(hat));
                s1 = L::wide_add(s1, L::load(y1).mul_wide(hat));
                s2 = L::wide_add(s2, L::load(y2).mul_wide(hat));
                s3 = L::wide_add(s3, L::load(y3).mul_wide(hat));
            }
            field.montgomery_if(fits, s0).store(x0);
            field.montgomery_if(fits, s1).store(x1);
            field.montgomery_if(fits, s2).store(x2);
            field.montgomery_if(fits, s3).store(x3);
        }
        let done = SIDE_BY_SIDE * quotient_blocks.len();
        for (j, (x, v)) in rest.iter_mut().zip(quotient_rest).enumerate() {
            let mut sum = L::load(v).mul_wide(L::turn_constant(target.minus_product));
            for (limb, &hat) in scaled.iter().zip(&target.hats) {
                let digit = L::load(&L::chunks(limb)[done + j]);
                sum = L::wide_add(sum, digit.mul_wide(L::turn_constant(hat)));
            }
            field.montgomery_if(fits, sum).store(x);
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
        fn agrees_with_big_integers(values in prop::collection::vec(any::<i64>(), 64), count in 1usize..5) {
            let (sources, targets) = (moduli(30, count), moduli(25, 5));
            // Values in (−S/2, S/2): below a quarter of S, and of 2^62.
            let product: i128 = sources.iter().map(|m| i128::from(m.value())).product();
            let values: Vec<i128> = values.iter().map(|&v| i128::from(v) % (product / 4)).collect();
            let residues = |m: &Modulus| -> Vec<u32> {
                values.iter().map(|v| v.rem_euclid(i128::from(m.value())) as u32).collect()
            };
            let input: Vec<Vec<u32>> = sources.iter().map(residues).collect();
            let converter = BaseConverter::new(&sources, targets.iter().copied());
            let scale = |(i, limb): (usize, &Vec<u32>)| -> Vec<u32> {
                limb.iter().map(|&x| sources[i].mul_shoup(x, converter.scaling(i))).collect()
            };
            let scaled: Vec<Vec<u32>> = input.iter().enumerate().map(scale).collect();
            let scaled: Vec<&[u32]> = scaled.iter().map(Vec::as_slice).collect();
            for backend in Backend::available() {
                let mut quotients = alloc::vec![0; 64];
                converter.quotients(backend, &scaled, &mut quotients);
                for (i, target) in targets.iter().enumerate() {
                    let mut output = alloc::vec![0; 64];
                    converter.convert(backend, i, &scaled, &quotients, &mut output);
                    prop_assert_eq!(&output, &residues(target), "on {}", backend.name());
                }
            }
        }
    }
}
