//! Replaces functions by polynomials: exactly where they are polynomials, else by a fit on the range
//! that the calibration samples show, with a margin.

use ckks_core::{Polynomial, PolynomialBasis};

use crate::{
    calibrate::{Histogram, Range},
    error::CompileError,
    fit::{Fit, UNIT},
    function::Function,
    graph::{Affine, Graph, Operation, Value},
    sparse::SparseMatrix,
};

/// By how much a calibrated range is widened at either end, as a part of its width.
pub(crate) const MARGIN: f64 = 0.1;
/// A parabola whose middle is further from the range than this, in half widths, is no shifted square: it
/// would be the small difference of large numbers.
const FARTHEST: f64 = 8.0;

/// A function that was replaced, for the report.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Approximation {
    pub(crate) node: String,
    pub(crate) function: Function,
    pub(crate) seen: Histogram,
    pub(crate) fit: Fit,
}

/// Replaces every function by a polynomial of at most `max_degree` whose error is at most
/// `tolerance` times the largest value of the function on its range, if there is one.
///
/// # Errors
/// [`CompileError::Unsupported`] for a function that is not finite on its range.
pub(crate) fn approximate(
    graph: Graph,
    seen: &[Option<Histogram>],
    tolerance: f64,
    max_degree: usize,
) -> Result<(Graph, Vec<Approximation>), CompileError> {
    let mut values: Vec<Value> = Vec::with_capacity(graph.values.len());
    let mut renumbered = Vec::with_capacity(graph.values.len());
    let mut made = Vec::new();
    for value in graph.values {
        let Operation::Map(source, function) = &value.operation else {
            let operation = value.operation.renumbered(&renumbered);
            renumbered.push(values.len());
            values.push(Value { operation, ..value });
            continue;
        };
        let x = renumbered[*source];
        let replaced = match function {
            Function::Power(2) => Operation::Product(x, x),
            Function::Power(n) => Operation::Polynomial(x, power(*n)),
            function => {
                let seen = seen[*source].clone().ok_or_else(|| {
                    CompileError::program(format!("{} was not calibrated", function.name()))
                })?;
                let fit = Fit::new(function, &seen, tolerance, max_degree)
                    .ok_or_else(|| not_finite(&value, function, seen.range))?;
                let range = seen.range;
                let coefficients = fit.coefficients.clone();
                made.push(Approximation { node: value.name.clone(), function: function.clone(), seen, fit });
                put_in_place(&mut values, &value, (x, range), coefficients)
            }
        };
        renumbered.push(values.len());
        values.push(Value { operation: replaced, ..value });
    }
    Ok((Graph { values, ..graph }, made))
}

fn not_finite(value: &Value, function: &Function, Range { low, high }: Range) -> CompileError {
    CompileError::Unsupported {
        node: value.name.clone(),
        operator: function.name(),
        reason: format!(
            "it is not finite on [{low:.3}, {high:.3}], the range of the calibration samples with a margin"
        ),
        advice: "scale what it reads, or use a bounded function".into(),
    }
}

fn power(n: u32) -> Polynomial {
    let mut coefficients = vec![0.0; n as usize];
    coefficients.push(1.0);
    Polynomial { basis: PolynomialBasis::Power, coefficients }
}

/// The operations that give a value of `range` the polynomial of its place in the range; the last one is returned.
fn put_in_place(
    values: &mut Vec<Value>,
    like: &Value,
    (x, range): (usize, Range),
    coefficients: Vec<f64>,
) -> Operation {
    let dimension = like.dimension();
    let mut push = |operation| {
        values.push(Value { operation, ..like.clone() });
        values.len() - 1
    };
    let (width, sum) = (range.high - range.low, range.high + range.low);
    // Fuses with the layer before, and so costs no level.
    let onto_unit =
        |factor: f64, shift: f64| scaled(x, dimension, factor * 2.0 / width, shift - factor * sum / width);
    if let Some(Square { factor, shift, sign, offset }) = Square::of(&coefficients) {
        let root = push(onto_unit(factor, shift));
        let square = push(Operation::Product(root, root));
        return scaled(square, dimension, sign, offset);
    }
    let t = push(onto_unit(1.0, 0.0));
    Operation::Polynomial(t, Polynomial { basis: UNIT, coefficients })
}

fn scaled(x: usize, dimension: usize, factor: f64, offset: f64) -> Operation {
    let mut affine = Affine::linear(x, SparseMatrix::scalar(dimension, factor));
    affine.offset.fill(offset);
    Operation::Affine(affine)
}

/// A parabola as `sign·(factor·t + shift)² + offset`, which takes one level: what is around the square fuses
/// with the layers before and after.
struct Square {
    factor: f64,
    shift: f64,
    sign: f64,
    offset: f64,
}

impl Square {
    /// The parabola with these Chebyshev coefficients: `c₀ − c₂ + c₁·t + 2·c₂·t²`.
    fn of(coefficients: &[f64]) -> Option<Self> {
        let &[c0, c1, c2] = coefficients else { return None };
        let (leading, middle) = (2.0 * c2, c1 / (4.0 * c2));
        if !(leading.abs() > 0.0 && middle.abs() < FARTHEST) {
            return None;
        }
        let factor = leading.abs().sqrt();
        Some(Self {
            factor,
            shift: factor * middle,
            sign: leading.signum(),
            offset: c0 - c2 - leading * middle * middle,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        calibrate::{calibrate, histograms},
        reference::evaluate,
    };

    fn graph(operations: Vec<Operation>) -> Graph {
        let value = |operation| Value { name: "node".into(), shape: vec![3], operation };
        Graph::new(operations.into_iter().map(value).collect())
    }

    fn approximated(
        graph: &Graph,
        samples: &[Vec<f64>],
        max_degree: usize,
    ) -> Result<(Graph, Vec<Approximation>), CompileError> {
        let seen = histograms(graph, samples, &calibrate(graph, samples), MARGIN);
        approximate(graph.clone(), &seen, 1e-6, max_degree)
    }

    #[test]
    fn the_graph_keeps_its_values() {
        let graph = graph(vec![
            Operation::Input,
            Operation::Map(0, Function::Tanh),
            Operation::Map(1, Function::Power(2)),
            Operation::Map(2, Function::Power(5)),
            Operation::Product(3, 1),
        ]);
        let x = vec![0.4, -1.9, 3.0];
        let (approximated, made) = approximated(&graph, std::slice::from_ref(&x), 63).expect("fits");
        assert_eq!(made.len(), 1);
        for (a, b) in evaluate(&approximated, &x).iter().zip(evaluate(&graph, &x)) {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
        assert!(approximated.values.iter().all(|value| !matches!(value.operation, Operation::Map(..))));
    }

    #[test]
    fn a_parabola_is_one_square() {
        let relu = graph(vec![Operation::Input, Operation::Map(0, Function::Relu)]);
        let samples: Vec<Vec<f64>> = (0..20).map(|i| vec![f64::from(i) / 5.0 - 2.0, -1.0, 1.0]).collect();
        let (approximated, made) = approximated(&relu, &samples, 2).expect("fits");
        assert!(matches!(approximated.values[2].operation, Operation::Product(1, 1)));
        let (fit, range) = (&made[0].fit, made[0].seen.range);
        let parabola = Polynomial {
            basis: PolynomialBasis::Chebyshev { low: range.low, high: range.high },
            coefficients: fit.coefficients.clone(),
        };
        for (found, x) in evaluate(&approximated, &samples[7]).iter().zip(&samples[7]) {
            assert!((found - parabola.evaluate(*x)).abs() < 1e-12);
        }
    }

    #[test]
    fn a_parabola_that_is_almost_a_line_is_no_square() {
        assert!(Square::of(&[1.0, 1.0, 1e-4]).is_none());
        assert!(Square::of(&[1.0, 1.0, 0.0]).is_none());
        let Square { factor, shift, sign, offset } = Square::of(&[1.0, 0.5, -0.5]).expect("a square");
        for t in [-1.0, 0.25, 1.0] {
            let expected = 1.0 + 0.5 * t - 0.5 * (2.0 * t * t - 1.0);
            assert!((sign * (factor * t + shift).powi(2) + offset - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn what_is_not_finite_on_its_range_is_refused_by_name() {
        let exp = graph(vec![Operation::Input, Operation::Map(0, Function::Exp)]);
        let refused = approximated(&exp, &[vec![0.0, 1.0, 2000.0]], 15).expect_err("overflows");
        let text = refused.to_string();
        assert!(text.starts_with("node \"node\" (Exp): it is not finite on [-200.000, 2200.000]"), "{text}");
    }
}
