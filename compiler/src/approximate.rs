//! Replaces functions by polynomials: exactly where they are polynomials, else by Chebyshev
//! interpolation on the calibrated range.
//!
//! Source: Trefethen, "Approximation Theory and Approximation Practice" (2013), chapters 3 and 4:
//! interpolation in Chebyshev points is within a factor of about `2 + (2/π)·log(degree + 1)` of the best polynomial.

use std::f64::consts::PI;

use ckks_core::{Polynomial, PolynomialBasis};

use crate::{
    calibrate::Range,
    function::Function,
    graph::{Affine, Graph, Operation, Value},
    sparse::SparseMatrix,
};

/// By how much a calibrated range is widened at either end, as a part of its width.
const MARGIN: f64 = 0.1;
/// Degrees worth trying: the largest of each depth.
const DEGREES: [usize; 5] = [3, 7, 15, 31, 63];
/// Where the error is measured.
const PROBES: u32 = 2000;

/// A function that was replaced, for the report.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Approximation {
    pub(crate) node: String,
    pub(crate) function: Function,
    pub(crate) range: Range,
    pub(crate) degree: usize,
    /// Largest error on the range.
    pub(crate) error: f64,
}

/// Replaces every function by a polynomial of at most `max_degree` whose error is at most
/// `tolerance` times the largest value of the function on its range, if there is one.
pub(crate) fn approximate(
    graph: Graph,
    ranges: &[Range],
    tolerance: f64,
    max_degree: usize,
) -> (Graph, Vec<Approximation>) {
    let mut values: Vec<Value> = Vec::with_capacity(graph.values.len());
    let mut renumbered = Vec::with_capacity(graph.values.len());
    let mut made = Vec::new();
    for value in graph.values {
        let Operation::Map(source, function) = value.operation else {
            let operation = value.operation.renumbered(&renumbered);
            renumbered.push(values.len());
            values.push(Value { operation, ..value });
            continue;
        };
        let x = renumbered[source];
        let replaced = match function {
            Function::Power(2) => Operation::Product(x, x),
            Function::Power(n) => Operation::Polynomial(x, power(n)),
            _ => {
                let range = ranges[source].widened(MARGIN);
                let (coefficients, error) = fit(function, range, tolerance, max_degree);
                let degree = coefficients.len() - 1;
                made.push(Approximation { node: value.name.clone(), function, range, degree, error });
                values.push(Value { operation: onto_unit(x, range, value.dimension()), ..value.clone() });
                let basis = PolynomialBasis::Chebyshev { low: -1.0, high: 1.0 };
                Operation::Polynomial(values.len() - 1, Polynomial { basis, coefficients })
            }
        };
        renumbered.push(values.len());
        values.push(Value { operation: replaced, ..value });
    }
    (Graph { values, ..graph }, made)
}

fn power(n: u32) -> Polynomial {
    let mut coefficients = vec![0.0; n as usize];
    coefficients.push(1.0);
    Polynomial { basis: PolynomialBasis::Power, coefficients }
}

/// The affine map of a range onto `[−1, 1]`, which fuses with the layer before and so costs no level.
fn onto_unit(x: usize, range: Range, dimension: usize) -> Operation {
    let (width, sum) = (range.high - range.low, range.high + range.low);
    let mut affine = Affine::linear(x, SparseMatrix::scalar(dimension, 2.0 / width));
    affine.offset.fill(-sum / width);
    Operation::Affine(affine)
}

/// Chebyshev coefficients of least degree that are good enough, or of the largest degree allowed; and the error.
fn fit(function: Function, range: Range, tolerance: f64, max_degree: usize) -> (Vec<f64>, f64) {
    let at = |t: f64| function.at(f64::midpoint(range.high, range.low) + t * (range.high - range.low) / 2.0);
    let probes = || (0..=PROBES).map(|i| f64::from(i) / f64::from(PROBES) * 2.0 - 1.0);
    let largest = probes().map(|t| at(t).abs()).fold(f64::MIN_POSITIVE, f64::max);
    let allowed = DEGREES.iter().copied().filter(|&degree| degree < max_degree).chain([max_degree]);
    let mut best = (vec![], f64::INFINITY);
    for degree in allowed {
        let coefficients = interpolate(&at, degree);
        let basis = PolynomialBasis::Chebyshev { low: -1.0, high: 1.0 };
        let polynomial = Polynomial { basis, coefficients };
        let error = probes().map(|t| (polynomial.evaluate(t) - at(t)).abs()).fold(0.0, f64::max);
        if error < best.1 {
            best = (polynomial.coefficients, error);
        }
        if best.1 <= tolerance * largest {
            break;
        }
    }
    best
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{graph::Postprocessing, reference::evaluate};

    const RANGE: Range = Range { low: -4.0, high: 4.0 };

    #[test]
    fn smooth_functions_reach_the_tolerance_at_the_least_degree() {
        for (function, degree) in [(Function::Sigmoid, 7), (Function::Tanh, 15)] {
            let (coefficients, error) = fit(function, RANGE, 0.01, 63);
            assert_eq!(coefficients.len() - 1, degree, "{function:?}");
            assert!(error < 0.01, "{function:?}: {error}");
            let (_, coarse) = fit(function, RANGE, 0.01, degree / 2);
            assert!(coarse > 0.01, "{function:?}: {coarse} at half the degree");
        }
    }

    #[test]
    fn a_corner_takes_the_largest_degree_allowed_and_says_its_error() {
        let (coefficients, error) = fit(Function::Relu, RANGE, 1e-9, 15);
        assert_eq!(coefficients.len(), 16);
        assert!((0.01..0.2).contains(&error), "{error}");
    }

    #[test]
    fn the_graph_keeps_its_values() {
        let value = |operation| Value { name: String::new(), shape: vec![3], operation };
        let map = |x, function| value(Operation::Map(x, function));
        let graph = Graph {
            values: vec![
                value(Operation::Input),
                map(0, Function::Tanh),
                map(1, Function::Power(2)),
                map(2, Function::Power(5)),
                value(Operation::Product(3, 1)),
            ],
            postprocessing: Postprocessing::None,
        };
        let ranges = [RANGE; 5];
        let (approximated, made) = approximate(graph.clone(), &ranges, 1e-6, 63);
        assert_eq!(made.len(), 1);
        let x = [0.4, -1.9, 3.0];
        for (a, b) in evaluate(&approximated, &x).iter().zip(evaluate(&graph, &x)) {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
        assert!(approximated.values.iter().all(|value| !matches!(value.operation, Operation::Map(..))));
    }
}
