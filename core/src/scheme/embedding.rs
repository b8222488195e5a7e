//! The canonical embedding restricted to one orbit of rotations, as a fast Fourier transform, with the rounding
//! of coefficients. Owns the roots of unity and the order of all roundings; deterministic, since only sums,
//! products and roundings of doubles occur, none fused or reassociated. Knows no levels and no scales.
//!
//! A layer with pairs `h` entries apart multiplies by the 8h-th roots of unity to the powers 5^j. Several layers
//! are done in one pass over memory. The last three, whose pairs lie inside a vector, are done across vectors:
//! groups of eight entries whose numbers follow each other when their bits are reversed are transposed, and stand
//! in whole vectors where the reversal wants them.
//!
//! Source: Cheon, Han, Kim, Kim, Song, "Bootstrapping for Approximate Homomorphic Encryption" (eprint 2018/153),
//! section 5.2, for the transform over the orbit of 5.

mod butterfly;

mod from_slots;
mod to_slots;

use alloc::{vec, vec::Vec};

use crate::{lanes::Backend, wiped::Wiped};
use from_slots::FromSlots;
use to_slots::ToSlots;

/// Fewest vectors of residues as long as a transform: eight of doubles, which are half as many.
const LEAST_VECTORS: usize = 4;
/// Entries of a group that is transformed across vectors.
const GROUP: usize = 8;

/// Real and imaginary parts, apart so that they fill vectors.
pub(super) struct Slots {
    pub(super) re: Wiped<f64>,
    pub(super) im: Wiped<f64>,
}

impl Slots {
    pub(super) fn zero(count: usize) -> Self {
        Self { re: Wiped::zero(count), im: Wiped::zero(count) }
    }
}

/// Integers of 63 bits that are 2^62 too large, the halves apart.
pub(super) struct OffsetIntegers {
    pub(super) low: Wiped<u32>,
    pub(super) high: Wiped<u32>,
}

/// The transform of one number of slots.
#[derive(Clone, Debug)]
pub(super) struct Embedding {
    backend: Backend,
    roots: Roots,
}

/// The factor of pair j in the layer with pairs h entries apart is number h + j.
#[derive(Clone, Debug)]
struct Roots {
    cosines: Vec<f64>,
    sines: Vec<f64>,
}

impl Embedding {
    /// Prepares the roots of unity for a power of two of slots, at least 16.
    pub(super) fn new(backend: Backend, slots: usize) -> Self {
        let (mut cosines, mut sines) = (vec![1.0; slots], vec![0.0; slots]);
        let mut half = 1;
        while half < slots {
            let order = 8 * half;
            let mut power = 1usize;
            for j in 0..half {
                let angle = 2.0 * core::f64::consts::PI * power as f64 / order as f64;
                cosines[half + j] = libm::cos(angle);
                sines[half + j] = libm::sin(angle);
                power = power * 5 % order;
            }
            half *= 2;
        }
        let backend = backend.with_vectors(LEAST_VECTORS, slots);
        Self { backend, roots: Roots { cosines, sines } }
    }

    /// From slots to coefficients times N/2; those times a factor, rounded to integers modulo 2^63, ties to even;
    /// and whether none wrapped around. Infinities and what is no number become some integer.
    pub(super) fn to_integers(&self, mut slots: Slots, factor: f64) -> (OffsetIntegers, bool) {
        let degree = 2 * slots.re.len();
        let mut out = OffsetIntegers { low: Wiped::zero(degree), high: Wiped::zero(degree) };
        let in_range = self.backend.run(FromSlots {
            roots: &self.roots,
            re: &mut slots.re,
            im: &mut slots.im,
            factor,
            low: &mut out.low,
            high: &mut out.high,
        });
        (out, in_range)
    }

    /// From coefficients to slots.
    pub(super) fn to_slots(&self, coefficients: &[f64]) -> Slots {
        let (re, im) = coefficients.split_at(coefficients.len() / 2);
        let mut slots = Slots::zero(re.len());
        let out = [&mut slots.re[..], &mut slots.im[..]];
        self.backend.run(ToSlots { roots: &self.roots, coefficients: [re, im], out });
        slots
    }
}

/// The number of the group that stands at a place when bits are reversed, among a power of two of them, at least 2.
#[inline(always)]
fn reversed(place: usize, groups: usize) -> usize {
    place.reverse_bits() >> (usize::BITS - groups.trailing_zeros())
}

#[cfg(test)]
mod tests;
