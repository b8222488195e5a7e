//! Makes values large before they are rotated, where that costs nothing.
//!
//! The noise of a rotation does not depend on what is rotated, so a value sixteen times as large is four
//! bits more precise. Factors are powers of two: they go into the weights of the layer before and
//! out of those of the layer after. Much larger values would leave those after too small to be
//! encoded precisely themselves.

use crate::{
    calibrate::Range,
    graph::{Graph, Operation},
};

/// What the largest element of a value is brought near to before it is rotated.
const TARGET: f64 = 64.0;

/// Amplifies squares and polynomials that only affine maps read; `ranges` are those of the values.
pub(crate) fn amplify(mut graph: Graph, ranges: &[Range]) -> Graph {
    let uses = graph.uses();
    for index in 0..graph.output() {
        let readers = graph.values.iter().filter(|value| value.operation.operands().contains(&index));
        let is_matrix = |operation: &Operation| match operation {
            Operation::Affine(affine) => !affine.is_free(),
            _ => false,
        };
        if !readers.map(|value| &value.operation).all(is_matrix) {
            continue;
        }
        let gain = match graph.values[index].operation {
            Operation::Product(x, y) if x == y && uses[x] == 2 => {
                let gain = power_of_two(TARGET.sqrt() / ranges[x].magnitude());
                let Operation::Affine(affine) = &mut graph.values[x].operation else { continue };
                if affine.is_free() {
                    continue;
                }
                affine.terms.iter_mut().for_each(|(_, matrix)| matrix.scale(gain));
                affine.offset.iter_mut().for_each(|offset| *offset *= gain);
                gain * gain
            }
            Operation::Polynomial(..) => {
                let gain = power_of_two(TARGET / ranges[index].magnitude());
                let Operation::Polynomial(_, polynomial) = &mut graph.values[index].operation else {
                    continue;
                };
                polynomial.coefficients.iter_mut().for_each(|coefficient| *coefficient *= gain);
                gain
            }
            _ => continue,
        };
        for value in &mut graph.values {
            let Operation::Affine(affine) = &mut value.operation else { continue };
            let reading = affine.terms.iter_mut().filter(|(source, _)| *source == index);
            reading.for_each(|(_, matrix)| matrix.scale(1.0 / gain));
        }
    }
    graph
}

/// The largest power of two that is at most `factor`, and at least 1.
fn power_of_two(factor: f64) -> f64 {
    if factor.is_finite() { factor.log2().floor().max(0.0).exp2() } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use ckks_core::{Polynomial, PolynomialBasis};

    use super::*;
    use crate::{
        calibrate::calibrate,
        graph::{Affine, Value},
        reference,
        sparse::SparseMatrix,
    };

    fn graph() -> Graph {
        let value = |operation| Value { name: String::new(), shape: vec![2], operation };
        let dense = |source| {
            let matrix = SparseMatrix::from_rows(2, [[(0, 0.5), (1, -0.25)], [(0, 0.125), (1, 1.0)]]);
            Operation::Affine(Affine { terms: vec![(source, matrix)], offset: vec![0.25, -0.5] })
        };
        let cube = Polynomial { basis: PolynomialBasis::Power, coefficients: vec![0.0, 1.0, 0.0, 0.5] };
        let operations = [
            Operation::Input,
            dense(0),
            Operation::Product(1, 1),
            dense(2),
            Operation::Polynomial(3, cube),
            dense(4),
            Operation::Product(5, 5),
        ];
        Graph::new(operations.into_iter().map(value).collect())
    }

    #[test]
    fn values_that_are_rotated_grow_and_the_output_stays() {
        let (graph, x) = (graph(), vec![0.75, -1.0]);
        let ranges = calibrate(&graph, std::slice::from_ref(&x));
        let amplified = amplify(graph.clone(), &ranges);
        let (before, after) = (reference::values(&graph, &x), reference::values(&amplified, &x));
        for rotated in [2, 4] {
            let largest = after[rotated].iter().fold(0.0f64, |most, v| most.max(v.abs()));
            assert!((TARGET / 4.0..=TARGET).contains(&largest), "{largest}");
        }
        for kept in [0, 3, 5, 6] {
            let same = before[kept].iter().zip(&after[kept]).all(|(a, b)| (a - b).abs() < 1e-12);
            assert!(same, "{kept}: {:?} {:?}", before[kept], after[kept]);
        }
    }
}
