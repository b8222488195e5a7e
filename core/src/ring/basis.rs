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

use super::{field::Field, interleaved::Interleaved};

/// Fractional bits of the quotient estimate; primes are above 2^20, so `⌊2^52/q⌋` fits 32 bits.
const QUOTIENT_BITS: u32 = 20;

/// Most source primes of a conversion.
pub(crate) const MAX_SOURCES: usize = 15;

/// Converts residues modulo the source primes to residues modulo target primes.
pub(crate) struct BaseConverter {
    sources: Vec<Source>,
    targets: Vec<Target>,
    /// Whether quotients are subtracted from the limbs: see [`BaseConverter::lay`].
    folds: bool,
}

struct Source {
    /// sᵢ if quotients are folded, else 0.
    folded: u32,
    /// (S/sᵢ)⁻¹ mod sᵢ.
    hat_inverse: ShoupFactor,
    /// ⌊2^52/sᵢ⌋.
    reciprocal: u32,
}

struct Target {
    modulus: Modulus,
    /// S/sᵢ mod t in Montgomery form, one per source, and −S mod t, which the quotients are multiplied by.
    hats: Vec<u32>,
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
                let hats = (0..sources.len()).map(|i| hat_mod(i, m)).chain([m.sub(0, product)]);
                Target { modulus: m, hats: hats.map(|hat| m.to_montgomery(hat)).collect() }
            })
            .collect();
        let folds = sources.iter().map(|s| u64::from(s.value())).sum::<u64>() <= 1 << 32;
        let sources = sources
            .iter()
            .enumerate()
            .map(|(i, &modulus)| Source {
                folded: if folds { modulus.value() } else { 0 },
                hat_inverse: modulus.shoup(modulus.invert(hat_mod(i, modulus))),
                reciprocal: ((1u64 << (32 + QUOTIENT_BITS)) / u64::from(modulus.value())) as u32,
            })
            .collect();
        Self { sources, targets, folds }
    }

    /// What the coefficients of a source limb are multiplied by before anything else.
    pub(crate) fn scaling(&self, source: usize) -> ShoupFactor {
        self.sources[source].hat_inverse
    }

    /// Rows for [`BaseConverter::convert`].
    pub(crate) fn unwritten_sources(&self, degree: usize) -> Interleaved {
        Interleaved::unwritten(self.sources.len() + usize::from(!self.folds), degree)
    }

    /// Lays scaled limbs side by side. How often the product S of the source primes is contained in their sum, for each
    /// coefficient, is a row of its own; or, where the primes add up to 2^32 at most, it is subtracted from the limbs
    /// at once: S is sᵢ in one of them, which is then in [−sᵢ, sᵢ), a signed number, and their sum with factors below t
    /// in [−t·2^32, t·2^32).
    pub(crate) fn lay(&self, backend: Backend, scaled: &[&[u32]], out: &mut Interleaved) {
        debug_assert_eq!(scaled.len(), self.sources.len());
        backend.run(Lay { sources: &self.sources, folds: self.folds, scaled, out });
    }

    /// Converts what [`BaseConverter::lay`] wrote to one target prime t: to residues in [0, 4t), with which a transform
    /// can begin.
    pub(crate) fn convert(&self, backend: Backend, target: usize, sources: &Interleaved, out: &mut [u32]) {
        backend.run(Convert { target: &self.targets[target], folds: self.folds, sources, out });
    }

    /// As [`BaseConverter::convert`], to two target primes at once, which read the sources once.
    pub(crate) fn convert_two(
        &self,
        backend: Backend,
        targets: [usize; 2],
        sources: &Interleaved,
        out: [&mut [u32]; 2],
    ) {
        let targets = targets.map(|target| &self.targets[target]);
        backend.run(ConvertTwo { targets, folds: self.folds, sources, out });
    }
}

/// How many vectors are worked on side by side: in a conversion to two targets, their sums fit sixteen registers.
const SIDE_BY_SIDE: usize = 2;

struct Lay<'a> {
    sources: &'a [Source],
    folds: bool,
    scaled: &'a [&'a [u32]],
    out: &'a mut Interleaved,
}

impl Kernel for Lay<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { sources, folds, scaled, out } = self;
        let together = out.block / (SIDE_BY_SIDE * L::WIDTH);
        for (i, block) in out.blocks_mut().enumerate() {
            let block = L::chunks_mut(block).as_chunks_mut::<SIDE_BY_SIDE>().0;
            for j in 0..together {
                let mut sums = [L::splat(1 << (QUOTIENT_BITS - 1)); SIDE_BY_SIDE];
                let mut quotients = [L::splat(0); SIDE_BY_SIDE];
                for ((limb, source), row) in scaled.iter().zip(sources).zip(block.chunks_exact_mut(together))
                {
                    let limb = &L::chunks(limb).as_chunks::<SIDE_BY_SIDE>().0[i * together + j];
                    let (folded, reciprocal) = (L::splat(source.folded), L::turn_constant(source.reciprocal));
                    for (k, (digit, place)) in limb.iter().zip(&mut row[j]).enumerate() {
                        let digit = L::load(digit);
                        sums[k] = sums[k].add(digit.mul_high(reciprocal));
                        let quotient = sums[k].shift_right(QUOTIENT_BITS);
                        digit.sub(quotient.sub(quotients[k]).mul_low(folded)).store(place);
                        quotients[k] = quotient;
                    }
                }
                if !folds {
                    let row = &mut block[sources.len() * together + j];
                    quotients.iter().zip(row).for_each(|(quotient, place)| quotient.store(place));
                }
            }
        }
    }
}

struct Convert<'a> {
    target: &'a Target,
    folds: bool,
    sources: &'a Interleaved,
    out: &'a mut [u32],
}

impl Kernel for Convert<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { target, folds, sources, out } = self;
        let field = Field::<L>::new(target.modulus);
        let together = sources.block / (SIDE_BY_SIDE * L::WIDTH);
        let out = L::chunks_mut(out).as_chunks_mut().0.chunks_exact_mut(together);
        for (block, out) in sources.blocks().zip(out) {
            let block = L::chunks(block).as_chunks().0;
            for (j, [x0, x1]) in out.iter_mut().enumerate() {
                let mut rows = block.chunks_exact(together).zip(&target.hats);
                let Some((row, &hat)) = rows.next() else { return };
                let ([y0, y1], hat) = (pair::<L>(&row[j]), L::turn_constant(hat));
                let (mut s0, mut s1) = (L::product_signed(y0, hat), L::product_signed(y1, hat));
                for (row, &hat) in rows {
                    let ([y0, y1], hat) = (pair::<L>(&row[j]), L::turn_constant(hat));
                    s0 = L::wide_add(s0, L::product_signed(y0, hat));
                    s1 = L::wide_add(s1, L::product_signed(y1, hat));
                }
                field.montgomery_signed_if(folds, s0).store(x0);
                field.montgomery_signed_if(folds, s1).store(x1);
            }
        }
    }
}

struct ConvertTwo<'a> {
    targets: [&'a Target; 2],
    folds: bool,
    sources: &'a Interleaved,
    out: [&'a mut [u32]; 2],
}

impl Kernel for ConvertTwo<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { targets: [first, second], folds, sources, out: [out0, out1] } = self;
        let (field0, field1) = (Field::<L>::new(first.modulus), Field::<L>::new(second.modulus));
        let together = sources.block / (SIDE_BY_SIDE * L::WIDTH);
        let out0 = L::chunks_mut(out0).as_chunks_mut().0.chunks_exact_mut(together);
        let out1 = L::chunks_mut(out1).as_chunks_mut().0.chunks_exact_mut(together);
        for (block, (out0, out1)) in sources.blocks().zip(out0.zip(out1)) {
            let block = L::chunks(block).as_chunks().0;
            for (j, ([x0, x1], [z0, z1])) in out0.iter_mut().zip(out1).enumerate() {
                let mut rows = block.chunks_exact(together).zip(first.hats.iter().zip(&second.hats));
                let Some((row, (&g, &h))) = rows.next() else { return };
                let ([y0, y1], g, h) = (pair::<L>(&row[j]), L::turn_constant(g), L::turn_constant(h));
                let (mut s0, mut s1) = (L::product_signed(y0, g), L::product_signed(y1, g));
                let (mut t0, mut t1) = (L::product_signed(y0, h), L::product_signed(y1, h));
                for (row, (&g, &h)) in rows {
                    let ([y0, y1], g, h) = (pair::<L>(&row[j]), L::turn_constant(g), L::turn_constant(h));
                    s0 = L::wide_add(s0, L::product_signed(y0, g));
                    s1 = L::wide_add(s1, L::product_signed(y1, g));
                    t0 = L::wide_add(t0, L::product_signed(y0, h));
                    t1 = L::wide_add(t1, L::product_signed(y1, h));
                }
                field0.montgomery_signed_if(folds, s0).store(x0);
                field0.montgomery_signed_if(folds, s1).store(x1);
                field1.montgomery_signed_if(folds, t0).store(z0);
                field1.montgomery_signed_if(folds, t1).store(z1);
            }
        }
    }
}

/// Two vectors as factors.
#[inline(always)]
fn pair<L: Lanes>([y0, y1]: &[L::Chunk; SIDE_BY_SIDE]) -> [L::Multiplier; SIDE_BY_SIDE] {
    [L::load(y0).multiplier(), L::load(y1).multiplier()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::ntt_primes_near;
    use proptest::prelude::*;

    fn moduli(bits: u32, count: usize) -> Vec<Modulus> {
        ntt_primes_near(f64::from(1u32 << bits), 6).take(count).map(Modulus::new).collect()
    }

    /// Of what a transform can begin with.
    fn reduced(modulus: &Modulus, limb: &[u32]) -> Vec<u32> {
        assert!(limb.iter().all(|&x| u64::from(x) < 4 * u64::from(modulus.value())));
        limb.iter().map(|&x| modulus.reduce_public(u64::from(x))).collect()
    }

    proptest! {
        #[test]
        fn agrees_with_big_integers(values in prop::collection::vec(any::<i64>(), 64), count in 1usize..7) {
            let sources = moduli(30, count);
            let others = moduli(30, count + 2).split_off(count);
            let targets: Vec<Modulus> = moduli(25, 3).into_iter().chain(others).collect();
            // Values in (−S/2, S/2): below a quarter of S, and of 2^62.
            let product = sources.iter().fold(1i128, |p, m| p.saturating_mul(m.value().into()));
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
                let mut sources = converter.unwritten_sources(64);
                converter.lay(backend, &scaled, &mut sources);
                for (i, target) in targets.iter().enumerate() {
                    let [mut alone, mut first, mut second] = [(); 3].map(|()| alloc::vec![0; 64]);
                    converter.convert(backend, i, &sources, &mut alone);
                    prop_assert_eq!(reduced(target, &alone), residues(target), "on {}", backend.name());
                    converter.convert_two(backend, [0, i], &sources, [&mut first, &mut second]);
                    prop_assert_eq!(reduced(&targets[0], &first), residues(&targets[0]), "on {}", backend.name());
                    prop_assert_eq!(&second, &alone, "on {}", backend.name());
                }
            }
        }
    }

    #[test]
    fn the_largest_and_smallest_digits_give_what_a_transform_can_begin_with() {
        for count in 1..=8 {
            let sources = moduli(30, count);
            let targets: Vec<Modulus> =
                moduli(21, 1).into_iter().chain(moduli(30, count + 1).split_off(count)).collect();
            let converter = BaseConverter::new(&sources, targets.iter().copied());
            // Each digit the largest or 0, in all combinations and with neighbours in between.
            let digit = |i: usize, place: usize| {
                let largest = sources[i].value() - 1;
                [0, largest, 1, largest / 2][place >> (i % 3) & 3]
            };
            let scaled: Vec<Vec<u32>> =
                (0..count).map(|i| (0..64).map(|place| digit(i, place)).collect()).collect();
            let scaled: Vec<&[u32]> = scaled.iter().map(Vec::as_slice).collect();
            let mut of_all = Vec::new();
            for backend in Backend::available() {
                let mut laid = converter.unwritten_sources(64);
                converter.lay(backend, &scaled, &mut laid);
                let mut out = [(); 2].map(|()| alloc::vec![0; 64]);
                let [first, second] = &mut out;
                converter.convert_two(backend, [0, 1], &laid, [first, second]);
                of_all.push([reduced(&targets[0], &out[0]), reduced(&targets[1], &out[1])]);
            }
            assert!(of_all.windows(2).all(|pair| pair[0] == pair[1]), "{count} primes");
        }
    }
}
