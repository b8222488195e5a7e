//! Polynomials of one variable in the power or the Chebyshev basis. Owns their depth and their
//! evaluation in the clear; knows no ciphertexts.

use alloc::{vec, vec::Vec};
use core::fmt;

/// What the coefficients of a [`Polynomial`] multiply.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PolynomialBasis {
    /// 1, x, x², …
    Power,
    /// T₀(t), T₁(t), T₂(t), … with `t = (2x − low − high)/(high − low)`: stable on `[low, high]`.
    Chebyshev {
        /// Lower end of the interval.
        low: f64,
        /// Upper end of the interval.
        high: f64,
    },
}

/// `Σ coefficients[i] · basis[i](x)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Polynomial {
    /// The basis.
    pub basis: PolynomialBasis,
    /// The coefficients, constant term first.
    pub coefficients: Vec<f64>,
}

/// Why a [`Polynomial`] cannot be evaluated on ciphertexts.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum PolynomialError {
    /// It is constant, so its encrypted value would be readable by anybody.
    Constant,
    /// A coefficient is infinite or not a number.
    NotFinite {
        /// Its index.
        index: usize,
    },
    /// The interval is empty, not finite, or too narrow or wide to be mapped to `[−1, 1]`.
    Interval {
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
}

impl fmt::Display for PolynomialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant => f.write_str("it is constant; use its value instead"),
            Self::NotFinite { index } => write!(f, "coefficient {index} is not a finite number"),
            Self::Interval { low, high } => {
                write!(f, "the interval from {low} to {high} cannot be mapped to -1 to 1")
            }
        }
    }
}

impl core::error::Error for PolynomialError {}

/// A polynomial in the form in which it is evaluated on ciphertexts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reduced {
    /// `t = factor·x + offset` first, for one level; the identity when absent.
    pub(crate) substitution: Option<Substitution>,
    pub(crate) recurrence: Recurrence,
    /// Without trailing zeros.
    pub(crate) coefficients: Vec<f64>,
}

/// `t = factor·x + offset`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Substitution {
    pub(crate) factor: f64,
    pub(crate) offset: f64,
}

/// How basis functions multiply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recurrence {
    /// `x^(a+b) = x^a·x^b`.
    Power,
    /// `T_(a+b) = 2·T_a·T_b − T_|a−b|`.
    Chebyshev,
}

impl Polynomial {
    /// Checks that the polynomial has a value worth computing.
    ///
    /// # Errors
    /// The first [`PolynomialError`] that applies.
    pub fn validate(&self) -> Result<(), PolynomialError> {
        if let Some(index) = self.coefficients.iter().position(|c| !c.is_finite()) {
            return Err(PolynomialError::NotFinite { index });
        }
        if let PolynomialBasis::Chebyshev { low, high } = self.basis {
            let map = Substitution::onto_unit(low, high);
            if low.is_nan()
                || high.is_nan()
                || low >= high
                || !(map.factor.is_normal() && map.offset.is_finite())
            {
                return Err(PolynomialError::Interval { low, high });
            }
        }
        // Multiplying out the map of an extreme interval can overflow, or leave nothing but a constant.
        let reduced = self.reduced().coefficients;
        match (self.basis, reduced.iter().all(|c| c.is_finite())) {
            (PolynomialBasis::Chebyshev { low, high }, false) => Err(PolynomialError::Interval { low, high }),
            _ if reduced.iter().skip(1).all(|&c| c == 0.0) => Err(PolynomialError::Constant),
            _ => Ok(()),
        }
    }

    /// The index of the last coefficient that is not 0.
    #[must_use]
    pub fn degree(&self) -> usize {
        self.coefficients.iter().rposition(|&c| c != 0.0).unwrap_or(0)
    }

    /// The levels that an encrypted evaluation takes: ⌈log₂(degree + 1)⌉, and one more for mapping
    /// an interval other than `[−1, 1]` to it when the degree is above 2.
    ///
    /// To save that level, fold the map into the linear transform before.
    #[must_use]
    pub fn depth(&self) -> u32 {
        let degree = self.degree();
        let substitution = degree > 2 && self.substitution().is_some();
        usize::BITS - degree.leading_zeros() + u32::from(substitution)
    }

    /// Evaluates in the clear: Horner's scheme, or Clenshaw's recurrence.
    ///
    /// Source: Clenshaw, "A note on the summation of Chebyshev series", Math. Comp. 9 (1955).
    #[must_use]
    pub fn evaluate(&self, x: f64) -> f64 {
        match self.basis {
            PolynomialBasis::Power => self.coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c),
            PolynomialBasis::Chebyshev { low, high } => {
                let map = Substitution::onto_unit(low, high);
                let t = map.factor * x + map.offset;
                let (mut b1, mut b2) = (0.0, 0.0);
                for c in self.coefficients.iter().skip(1).rev() {
                    (b1, b2) = (2.0 * t * b1 - b2 + c, b1);
                }
                self.coefficients.first().unwrap_or(&0.0) + t * b1 - b2
            }
        }
    }

    fn substitution(&self) -> Option<Substitution> {
        match self.basis {
            PolynomialBasis::Chebyshev { low, high } if (low, high) != (-1.0, 1.0) => {
                Some(Substitution::onto_unit(low, high))
            }
            _ => None,
        }
    }

    /// Brings the polynomial into the form for ciphertexts. Up to degree 2 the map of the
    /// interval is multiplied out, which costs no level.
    pub(crate) fn reduced(&self) -> Reduced {
        let coefficients = self.coefficients.get(..=self.degree()).unwrap_or_default().to_vec();
        if matches!(self.basis, PolynomialBasis::Power) {
            return Reduced { substitution: None, recurrence: Recurrence::Power, coefficients };
        }
        let substitution = self.substitution();
        if coefficients.len() > 3 {
            return Reduced { substitution, recurrence: Recurrence::Chebyshev, coefficients };
        }
        let Substitution { factor: a, offset: b } = substitution.unwrap_or(Substitution::IDENTITY);
        let c = |index: usize| coefficients.get(index).copied().unwrap_or(0.0);
        // c₀ + c₁(ax + b) + c₂(2(ax + b)² − 1)
        let mut powers = vec![
            c(0) + c(1) * b + c(2) * (2.0 * b * b - 1.0),
            c(1) * a + c(2) * 4.0 * a * b,
            c(2) * 2.0 * a * a,
        ];
        powers.truncate(coefficients.len());
        Reduced { substitution: None, recurrence: Recurrence::Power, coefficients: powers }
    }
}

impl Substitution {
    const IDENTITY: Self = Self { factor: 1.0, offset: 0.0 };

    /// The map of `[low, high]` onto `[−1, 1]`.
    fn onto_unit(low: f64, high: f64) -> Self {
        Self { factor: 2.0 / (high - low), offset: -(low + high) / (high - low) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn power(coefficients: &[f64]) -> Polynomial {
        Polynomial { basis: PolynomialBasis::Power, coefficients: coefficients.to_vec() }
    }

    fn chebyshev(low: f64, high: f64, coefficients: &[f64]) -> Polynomial {
        Polynomial { basis: PolynomialBasis::Chebyshev { low, high }, coefficients: coefficients.to_vec() }
    }

    #[test]
    fn evaluates_both_bases() {
        assert_eq!(power(&[1.0, 2.0, 3.0]).evaluate(2.0), 17.0);
        // T₃(t) = 4t³ − 3t, and 3 of [1, 5] is 0 of [−1, 1], 4 is 1/2.
        let third = chebyshev(1.0, 5.0, &[7.0, 0.0, 0.0, 1.0]);
        assert_eq!(third.evaluate(3.0), 7.0);
        assert_eq!(third.evaluate(4.0), 7.0 + 4.0 / 8.0 - 3.0 / 2.0);
        assert_eq!(chebyshev(-1.0, 1.0, &[]).evaluate(0.5), 0.0);
    }

    #[test]
    fn depth_is_the_logarithm_of_the_coefficients() {
        let depths: Vec<u32> = (1..=16).map(|degree| power(&vec![1.0; degree + 1]).depth()).collect();
        assert_eq!(depths, [1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5]);
        assert_eq!(power(&[1.0, 1.0, 0.0, 0.0]).depth(), 1);
        assert_eq!(chebyshev(-1.0, 1.0, &[1.0; 4]).depth(), 2);
        assert_eq!(chebyshev(-8.0, 8.0, &[1.0; 4]).depth(), 3);
        assert_eq!(chebyshev(-8.0, 8.0, &[1.0; 3]).depth(), 2);
    }

    #[test]
    fn low_degrees_are_multiplied_out() {
        for coefficients in [&[0.5, -2.0, 3.0][..], &[1.5, 0.25]] {
            let original = chebyshev(-3.0, 5.0, coefficients);
            let reduced = original.reduced();
            assert_eq!((reduced.substitution, reduced.recurrence), (None, Recurrence::Power));
            for x in [-3.0, -1.0, 0.0, 2.5, 5.0] {
                let difference = power(&reduced.coefficients).evaluate(x) - original.evaluate(x);
                assert!(difference.abs() < 1e-12);
            }
        }
    }

    #[test]
    fn refuses_what_has_no_value() {
        assert_eq!(power(&[]).validate(), Err(PolynomialError::Constant));
        assert_eq!(power(&[1.0, 0.0]).validate(), Err(PolynomialError::Constant));
        assert_eq!(power(&[1.0, f64::INFINITY]).validate(), Err(PolynomialError::NotFinite { index: 1 }));
        for (low, high) in
            [(1.0, 1.0), (2.0, 1.0), (0.0, f64::INFINITY), (-f64::MAX, f64::MAX), (0.0, 5e-324)]
        {
            let refusal = chebyshev(low, high, &[0.0, 1.0]).validate();
            assert_eq!(refusal, Err(PolynomialError::Interval { low, high }));
        }
        assert!(chebyshev(f64::NAN, 1.0, &[0.0, 1.0]).validate().is_err());
        assert_eq!(chebyshev(-8.0, 8.0, &[0.0, 1.0]).validate(), Ok(()));
    }
}
