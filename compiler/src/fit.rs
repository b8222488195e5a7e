//! The polynomial in place of a function on a range.
//!
//! Where a function is smooth, interpolation in Chebyshev points soon is as exact as was asked for, and the
//! least degree that is wins. Where it has a corner, no degree is; then the largest allowed is used, and
//! its coefficients make the error small where the calibration samples show elements: a weighted least
//! squares fit, with a tenth of the weight spread evenly so that it stays sane elsewhere.
//!
//! Source: Trefethen, "Approximation Theory and Approximation Practice" (2013), chapters 3 and 4:
//! interpolation in Chebyshev points is within a factor of about `2 + (2/π)·log(degree + 1)` of the best polynomial.

use std::f64::consts::PI;

use ckks_core::{Polynomial, PolynomialBasis};

use crate::{
    calibrate::{Histogram, Range},
    function::Function,
};

/// Degrees worth trying: the largest of each depth. One of 2 is a square, which takes one level.
const DEGREES: [usize; 6] = [2, 3, 7, 15, 31, 63];
/// Where the largest error is measured.
const PROBES: u32 = 2000;
/// The part of the weight of a least squares fit that is spread evenly.
const EVEN: f64 = 0.1;

/// A polynomial of t, which is −1 at the lower and 1 at the upper end of a range.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fit {
    /// In the Chebyshev basis.
    pub(crate) coefficients: Vec<f64>,
    /// Largest error on the range.
    pub(crate) largest_error: f64,
    /// Root of the mean square of the error over the elements of the calibration samples.
    pub(crate) typical_error: f64,
}

impl Fit {
    /// Fits a function where elements lie, with at most `max_degree`; an error of `tolerance` times
    /// the largest value of the function on the range is good enough. Nothing if it is not finite there.
    pub(crate) fn new(
        function: &Function,
        seen: &Histogram,
        tolerance: f64,
        max_degree: usize,
    ) -> Option<Self> {
        let Range { low, high } = seen.range;
        let at = |t: f64| function.at(f64::midpoint(high, low) + t * (high - low) / 2.0);
        let values: Vec<(f64, f64)> = probes().map(|t| (t, at(t))).collect();
        let largest = values.iter().map(|(_, value)| value.abs()).fold(f64::MIN_POSITIVE, f64::max);
        if !largest.is_finite() || values.iter().any(|(_, value)| value.is_nan()) {
            return None;
        }
        let allowed = DEGREES.iter().copied().filter(|&degree| degree < max_degree).chain([max_degree]);
        let of = |coefficients| Self::of(coefficients, &values, &at, seen);
        for degree in allowed {
            let fit = of(interpolate(&at, degree));
            if fit.largest_error <= tolerance * largest {
                return Some(fit);
            }
        }
        Some(of(least_squares(&at, seen, max_degree)))
    }

    fn of(coefficients: Vec<f64>, values: &[(f64, f64)], at: &impl Fn(f64) -> f64, seen: &Histogram) -> Self {
        let polynomial = Polynomial { basis: UNIT, coefficients };
        let error = |t: f64, value: f64| (polynomial.evaluate(t) - value).abs();
        let largest_error = values.iter().map(|&(t, value)| error(t, value)).fold(0.0, f64::max);
        let squares = middles(seen).map(|(t, count)| count as f64 * error(t, at(t)).powi(2));
        let typical_error = (squares.sum::<f64>() / seen.total().max(1) as f64).sqrt();
        Self { coefficients: polynomial.coefficients, largest_error, typical_error }
    }
}

pub(crate) const UNIT: PolynomialBasis = PolynomialBasis::Chebyshev { low: -1.0, high: 1.0 };

fn probes() -> impl Iterator<Item = f64> {
    (0..=PROBES).map(|i| f64::from(i) / f64::from(PROBES) * 2.0 - 1.0)
}

/// The middle of each part of a histogram on [−1, 1], and how many elements lie in it.
fn middles(seen: &Histogram) -> impl Iterator<Item = (f64, u64)> + '_ {
    let count = seen.counts.len() as f64;
    seen.counts.iter().enumerate().map(move |(i, &elements)| ((2 * i + 1) as f64 / count - 1.0, elements))
}

/// The polynomial through the values in the `degree + 1` Chebyshev points of the first kind.
fn interpolate(at: &impl Fn(f64) -> f64, degree: usize) -> Vec<f64> {
    let points = degree + 1;
    let angle = |j: usize| PI * (j as f64 + 0.5) / points as f64;
    let values: Vec<f64> = (0..points).map(|j| at(angle(j).cos())).collect();
    let coefficient = |k: usize| {
        let sum: f64 = values.iter().enumerate().map(|(j, v)| v * (k as f64 * angle(j)).cos()).sum();
        sum * if k == 0 { 1.0 } else { 2.0 } / points as f64
    };
    (0..points).map(coefficient).collect()
}

/// The polynomial with the least weighted sum of squared errors at the middles of a histogram.
fn least_squares(at: &impl Fn(f64) -> f64, seen: &Histogram, degree: usize) -> Vec<f64> {
    let (size, total) = (degree + 1, seen.total().max(1) as f64);
    let mut normal = vec![vec![0.0; size]; size];
    let mut right = vec![0.0; size];
    for (t, elements) in middles(seen) {
        let weight = (1.0 - EVEN) * elements as f64 / total + EVEN / seen.counts.len() as f64;
        let basis: Vec<f64> = (0..size).map(|k| (k as f64 * t.acos()).cos()).collect();
        for (i, a) in basis.iter().enumerate() {
            right[i] += weight * a * at(t);
            (0..=i).for_each(|j| normal[i][j] += weight * a * basis[j]);
        }
    }
    solve(normal, right)
}

/// Solves `matrix·x = right` for a symmetric positive definite matrix, of which the lower half is read.
///
/// Source: Golub, Van Loan, "Matrix Computations" (2013), section 4.2.
fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    for i in 0..right.len() {
        for j in 0..=i {
            let below: f64 = (0..j).map(|k| matrix[i][k] * matrix[j][k]).sum();
            let rest = matrix[i][j] - below;
            matrix[i][j] = if i == j { rest.max(f64::MIN_POSITIVE).sqrt() } else { rest / matrix[j][j] };
        }
        let below: f64 = (0..i).map(|k| matrix[i][k] * right[k]).sum();
        right[i] = (right[i] - below) / matrix[i][i];
    }
    for i in (0..right.len()).rev() {
        let above: f64 = (i + 1..right.len()).map(|k| matrix[k][i] * right[k]).sum();
        right[i] = (right[i] - above) / matrix[i][i];
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibrate::BINS;

    /// Elements spread like a bell over [−4, 4].
    fn bell() -> Histogram {
        let count = |i: usize| (1e6 * (-(i as f64 / BINS as f64 * 8.0 - 4.0).powi(2)).exp()) as u64;
        Histogram {
            range: Range { low: -4.0, high: 4.0 },
            counts: (0..BINS).map(count).collect(),
            near_edge: 0,
        }
    }

    fn fit(function: &Function, tolerance: f64, max_degree: usize) -> Fit {
        Fit::new(function, &bell(), tolerance, max_degree).expect("is finite")
    }

    #[test]
    fn smooth_functions_reach_the_tolerance_at_the_least_degree() {
        for (function, degree) in [(Function::Sigmoid, 7), (Function::Tanh, 15)] {
            let found = fit(&function, 0.01, 63);
            assert_eq!(found.coefficients.len() - 1, degree, "{function:?}");
            assert!(found.largest_error < 0.01, "{function:?}: {found:?}");
            let coarse = fit(&function, 0.01, degree / 2).largest_error;
            assert!(coarse > 0.01, "{function:?}: {coarse} at half the degree");
        }
    }

    #[test]
    fn a_corner_takes_the_largest_degree_allowed_and_is_closest_where_elements_lie() {
        for degree in [2, 3, 15] {
            let found = fit(&Function::Relu, 1e-9, degree);
            assert_eq!(found.coefficients.len(), degree + 1);
            let through_points = interpolate(&|t: f64| (4.0 * t).max(0.0), degree);
            let values: Vec<_> = probes().map(|t| (t, (4.0 * t).max(0.0))).collect();
            let interpolated = Fit::of(through_points, &values, &|t: f64| (4.0 * t).max(0.0), &bell());
            assert!(found.typical_error < 0.7 * interpolated.typical_error, "{found:?} {interpolated:?}");
            assert!(found.largest_error < 0.9, "{found:?}");
        }
    }

    #[test]
    fn a_polynomial_is_found_again_by_least_squares() {
        let quadratic = |t: f64| 0.5 - 2.0 * t + 0.25 * (2.0 * t * t - 1.0);
        let found = least_squares(&quadratic, &bell(), 5);
        let expected = [0.5, -2.0, 0.25, 0.0, 0.0, 0.0];
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}");
    }

    #[test]
    fn a_function_that_is_not_finite_on_the_range_has_no_fit() {
        let mut far = bell();
        far.range.high = 1e3;
        assert_eq!(Fit::new(&Function::Exp, &far, 0.01, 15), None);
    }
}
