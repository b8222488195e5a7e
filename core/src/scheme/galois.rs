//! The Galois group of the ring: which automorphism does what to the slots.

use core::fmt;

use super::{error::Error, params::Params};

/// An odd `g < 2N`, standing for the automorphism `X → X^g`.
///
/// `5^k mod 2N` rotates the slots left by k, `2N − 1` conjugates them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GaloisElement(u32);

impl GaloisElement {
    /// Accepts an odd number below 2N.
    ///
    /// # Errors
    /// [`Error::InvalidGaloisElement`] for an even or too large number.
    pub fn new(params: &Params, element: u32) -> Result<Self, Error> {
        let valid = element & 1 == 1 && (element as usize) < 2 * params.degree();
        valid.then_some(Self(element)).ok_or(Error::InvalidGaloisElement { found: element })
    }

    /// The element that rotates slots left by `steps` (right when negative).
    #[must_use]
    pub fn rotation(params: &Params, steps: i32) -> Self {
        let two_n = 2 * params.degree() as u64;
        let mut exponent = i64::from(steps).rem_euclid(params.slots() as i64);
        let (mut element, mut square) = (1u64, 5u64);
        while exponent > 0 {
            if exponent & 1 == 1 {
                element = element * square % two_n;
            }
            square = square * square % two_n;
            exponent >>= 1;
        }
        Self(element as u32)
    }

    /// The element that conjugates the slots.
    #[must_use]
    pub fn conjugation(params: &Params) -> Self {
        Self(2 * params.degree() as u32 - 1)
    }

    /// The exponent g.
    #[must_use]
    pub const fn value(self) -> u32 {
        self.0
    }

    /// The element h with `g·h ≡ 1 mod 2N`.
    #[must_use]
    pub fn inverse(self, params: &Params) -> Self {
        // The group of odd residues mod 2N has exponent N/2, so g^(N/2 − 1) inverts g.
        let mask = 2 * params.degree() as u32 - 1;
        let mut exponent = params.slots() - 1;
        let (mut inverse, mut square) = (1u32, self.0);
        while exponent > 0 {
            if exponent & 1 == 1 {
                inverse = inverse.wrapping_mul(square) & mask;
            }
            square = square.wrapping_mul(square) & mask;
            exponent >>= 1;
        }
        Self(inverse)
    }
}

impl fmt::Display for GaloisElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
