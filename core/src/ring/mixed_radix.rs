//! The coefficients of a polynomial as doubles, by balanced mixed-radix digits, so that small numbers lose nothing
//! to cancellation. Owns the tables; knows no scales.
//!
//! Digit i is in (−qᵢ/2, qᵢ/2), and a coefficient is `d₀ + q₀·(d₁ + q₁·(d₂ + …))`. With half of qᵢ added to each
//! they are the ordinary digits, all of them residues, of the coefficient plus half of the modulus. Each is then a sum
//! of products of the residue and of all digits before it with constants, reduced at the end.
//!
//! Source: Knuth, "The Art of Computer Programming", volume 2, third edition, section 4.3.2, for the digits.

use alloc::{vec, vec::Vec};

use super::{
    field::Field,
    poly::{Coeff, Poly},
};
use crate::{
    arithmetic::Modulus,
    lanes::{Backend, Doubles, Kernel, Lanes, each},
    wiped::Wiped,
};

/// How many coefficients are worked on at a time: their digits stay in the nearest cache.
const BLOCK: usize = 256;
/// So many products of residues are a sum below `4q·2^32`.
const PRODUCTS: usize = 16;
/// How many vectors of residues are worked on side by side, and of doubles, whose operations take longer.
const RESIDUES: usize = 4;
const DOUBLES: usize = 4;

/// The digits of numbers modulo a chain of primes, or the first of them.
#[derive(Clone, Debug)]
pub(crate) struct MixedRadix {
    digits: Vec<Digit>,
}

#[derive(Clone, Debug)]
struct Digit {
    modulus: Modulus,
    /// The inverse of the product of the primes before, for the residue; and minus that times the product of the
    /// primes before digit j, for digit j; in Montgomery form.
    factors: Vec<u32>,
    /// What is left to add: half of the prime, less what the halves in the digits before amount to.
    summand: u32,
}

impl Digit {
    fn new(primes: &[Modulus], modulus: Modulus) -> Self {
        let mut products = vec![1];
        for prime in primes {
            products.push(modulus.mul(products[products.len() - 1], residue(modulus, prime.value())));
        }
        let inverse = products.pop().map_or(1, |product| modulus.invert(product));
        let others = products.iter().map(|&product| modulus.mul(modulus.sub(0, product), inverse));
        let factors: Vec<u32> = core::iter::once(inverse).chain(others).collect();
        let summand = primes.iter().zip(&factors[1..]).fold(modulus.value() / 2, |sum, (prime, &factor)| {
            modulus.sub(sum, modulus.mul(factor, residue(modulus, prime.value() / 2)))
        });
        let factors = factors.into_iter().map(|factor| modulus.to_montgomery(factor)).collect();
        Self { modulus, factors, summand }
    }
}

fn residue(modulus: Modulus, number: u32) -> u32 {
    modulus.reduce_public(number.into())
}

impl MixedRadix {
    pub(crate) fn new(moduli: &[Modulus]) -> Self {
        Self { digits: moduli.iter().enumerate().map(|(i, &m)| Digit::new(&moduli[..i], m)).collect() }
    }

    /// The coefficients as numbers in (−Q/2, Q/2), Q the product of the polynomial's first primes, `limbs` of them,
    /// divided by a number.
    pub(crate) fn to_doubles(
        &self,
        backend: Backend,
        poly: &Poly<Coeff>,
        limbs: usize,
        divisor: f64,
    ) -> Wiped<f64> {
        let mut out = Wiped::zero(poly.degree());
        let mut block = Wiped::zero(limbs * BLOCK);
        let digits = &self.digits[..limbs];
        let backend = backend.with_vectors(RESIDUES, poly.degree());
        backend.run(ToDoubles { digits, poly, divisor, block: &mut block, out: &mut out });
        out
    }
}

struct ToDoubles<'a> {
    digits: &'a [Digit],
    poly: &'a Poly<Coeff>,
    divisor: f64,
    /// Digits of one block of coefficients.
    block: &'a mut [u32],
    out: &'a mut [f64],
}

impl Kernel for ToDoubles<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { digits, poly, divisor, block, out } = self;
        let length = BLOCK.min(poly.degree());
        for (i, out) in out.chunks_exact_mut(length).enumerate() {
            for (j, digit) in digits.iter().enumerate() {
                let (before, rest) = block.split_at_mut(j * length);
                write_digit::<L>(digit, &poly.limb(j)[i * length..][..length], before, &mut rest[..length]);
            }
            sum::<L::Doubles>(digits, block, divisor, out);
        }
    }
}

/// Writes digit j, with half of its prime added, from the residues and the digits before it.
#[inline(always)]
fn write_digit<L: Lanes>(digit: &Digit, residues: &[u32], before: &[u32], out: &mut [u32]) {
    let field = Field::<L>::new(digit.modulus);
    let summand = L::splat(digit.summand);
    let (before, residues) = (L::chunks(before), L::chunks(residues).as_chunks::<RESIDUES>().0);
    let together = residues.len();
    for (k, (out, x)) in L::chunks_mut(out).as_chunks_mut::<RESIDUES>().0.iter_mut().zip(residues).enumerate()
    {
        let mut factors = digit.factors.iter();
        let Some(&factor) = factors.next() else { return };
        let factor = L::turn_constant(factor);
        let mut sums: [L::Wide; RESIDUES] = each(|i| L::load(&x[i]).mul_wide(factor));
        let mut reduced = [summand; RESIDUES];
        let mut rows = before.as_chunks::<RESIDUES>().0.chunks_exact(together).zip(factors);
        loop {
            for (row, &factor) in rows.by_ref().take(PRODUCTS - 1) {
                let factor = L::turn_constant(factor);
                for (sum, digits) in sums.iter_mut().zip(&row[k]) {
                    *sum = L::wide_add(*sum, L::load(digits).mul_wide(factor));
                }
            }
            for (reduced, sum) in reduced.iter_mut().zip(sums) {
                *reduced = field.add(*reduced, field.montgomery_sum(sum));
            }
            let Some((row, &factor)) = rows.next() else { break };
            let factor = L::turn_constant(factor);
            sums = each(|i| L::load(&row[k][i]).mul_wide(factor));
        }
        out.iter_mut().zip(reduced).for_each(|(out, digits)| digits.store(out));
    }
}

/// Adds digits up to what they stand for, from the last one on, and divides.
#[inline(always)]
fn sum<D: Doubles>(digits: &[Digit], block: &[u32], divisor: f64, out: &mut [f64]) {
    let inverse = inverse_of_power_of_two(divisor);
    let out = D::chunks_mut(out).as_chunks_mut::<DOUBLES>().0;
    let together = DOUBLES * out.len();
    let block = D::words(block);
    for (k, out) in out.iter_mut().enumerate() {
        let mut sums = [D::splat(0.0); DOUBLES];
        for (digit, row) in digits.iter().zip(block.chunks_exact(together)).rev() {
            let q = digit.modulus.value();
            let (half, q) = (D::splat(f64::from(q / 2)), D::splat(f64::from(q)));
            for (sum, words) in sums.iter_mut().zip(&row[DOUBLES * k..][..DOUBLES]) {
                *sum = sum.mul(q).add(D::from_signed(words).sub(half));
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            let quotient = match inverse {
                Some(inverse) => sum.mul(D::splat(inverse)),
                None => sum.div(D::splat(divisor)),
            };
            quotient.store(out);
        }
    }
}

/// The number by which to multiply instead of dividing by a power of two, which gives the same bits.
fn inverse_of_power_of_two(divisor: f64) -> Option<f64> {
    const MANTISSA: u64 = (1 << (f64::MANTISSA_DIGITS - 1)) - 1;
    (divisor.is_normal() && divisor.to_bits() & MANTISSA == 0).then(|| 1.0 / divisor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::ntt_primes_near;

    /// One digit after the other, each subtracted from the residues and divided out of them.
    fn slow_digits(moduli: &[Modulus], residues: &[u32]) -> Vec<i32> {
        let mut residues = residues.to_vec();
        let mut digits = Vec::new();
        for (i, m) in moduli.iter().enumerate() {
            let q = m.value();
            let digit = residues[i] as i32 - if residues[i] > q / 2 { q as i32 } else { 0 };
            digits.push(digit);
            for (residue, other) in residues.iter_mut().zip(moduli) {
                if other != m {
                    let difference = other.sub(*residue, other.reduce_signed_public(digit.into()));
                    *residue = other.mul(difference, other.invert(other.reduce_public(q.into())));
                }
            }
        }
        digits
    }

    fn slow_double(moduli: &[Modulus], digits: &[i32]) -> f64 {
        let pairs = moduli.iter().zip(digits).rev();
        pairs.fold(0.0, |sum, (m, &digit)| sum * f64::from(m.value()) + f64::from(digit))
    }

    /// Columns of residues as a polynomial.
    fn poly(columns: &[Vec<u32>]) -> Poly<Coeff> {
        let rows = (0..columns[0].len()).flat_map(|i| columns.iter().map(move |column| column[i]));
        Poly::from_residues(columns.len(), rows.collect::<Vec<_>>())
    }

    #[test]
    fn small_and_large_coefficients_come_back_exactly() {
        // With primes as far apart as they may be.
        let moduli = [1_179_649u32, 1_073_479_681, 7_340_033].map(Modulus::new);
        let product: i128 = moduli.iter().map(|m| i128::from(m.value())).product();
        let extremes = [0, 1, -1, (product - 1) / 2, -(product - 1) / 2];
        let values: Vec<i128> = (0..64i128)
            .map(|i| extremes.get(i as usize).copied().unwrap_or(i * 0x1234_5678_9ABC % product))
            .collect();
        let column =
            |v: &i128| moduli.iter().map(|m| v.rem_euclid(i128::from(m.value())) as u32).collect::<Vec<_>>();
        let columns: Vec<Vec<u32>> = values.iter().map(column).collect();
        for backend in Backend::available() {
            let found = MixedRadix::new(&moduli).to_doubles(backend, &poly(&columns), moduli.len(), 1.0);
            for ((&value, &found), column) in values.iter().zip(found.iter()).zip(&columns) {
                let centred = if 2 * value > product { value - product } else { value };
                assert_eq!(
                    found,
                    slow_double(&moduli, &slow_digits(&moduli, column)),
                    "on {}",
                    backend.name()
                );
                if centred.abs() < 1 << 53 {
                    assert_eq!(found as i128, centred);
                }
            }
        }
    }

    #[test]
    fn any_residues_of_any_number_of_primes_have_the_bits_of_one_digit_after_the_other() {
        let large = ntt_primes_near(f64::from(1u32 << 30), 6).filter(|&q| q < 1 << 30).take(18);
        let small = ntt_primes_near(f64::from(1u32 << 25), 6).take(18);
        let moduli: Vec<Modulus> = large.chain(small).map(Modulus::new).collect();
        let mut state = 1u64;
        let mut next = |m: &Modulus| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            m.reduce_public(state >> 20)
        };
        let columns: Vec<Vec<u32>> = (0..2 * BLOCK)
            .map(|k| match k {
                0 => moduli.iter().map(|m| m.value() - 1).collect(),
                // The largest number.
                1 => moduli.iter().map(|m| m.value() / 2).collect(),
                _ => moduli.iter().map(&mut next).collect(),
            })
            .collect();
        let radix = MixedRadix::new(&moduli);
        // As few coefficients as a ring has, and several blocks.
        let limbs = [1, 2, 3, 15, 16, 17, 18, 31, 32, 33, 36];
        for (columns, limbs) in
            [&columns[..32], &columns[..]].into_iter().flat_map(|columns| limbs.map(|limbs| (columns, limbs)))
        {
            for divisor in [1.0, f64::from(1 << 30), 3e9] {
                let used = &moduli[..limbs];
                let digits = columns.iter().map(|column| slow_digits(used, &column[..limbs]));
                let expected: Vec<u64> =
                    digits.map(|digits| (slow_double(used, &digits) / divisor).to_bits()).collect();
                let poly = poly(columns);
                for backend in Backend::available() {
                    let found = radix.to_doubles(backend, &poly, limbs, divisor);
                    let found: Vec<u64> = found.iter().map(|value| value.to_bits()).collect();
                    assert_eq!(found, expected, "{limbs} limbs on {}", backend.name());
                }
            }
        }
    }
}
