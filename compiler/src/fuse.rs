//! Fuses what is linear between two functions into one map, whatever operators wrote it, and
//! what is linear after a polynomial into its coefficients where that is possible.

use ckks_core::Polynomial;

use crate::{
    graph::{Affine, Graph, Operation},
    sparse::SparseMatrix,
};

/// Maps of fewer factors are composed in any case.
const MAX_FACTORS: usize = 1 << 22;

/// Composes affine maps with the ones they read.
///
/// In order, so that a chain ends up in its last map; what nothing reads any more is removed.
/// A map is not composed where that would multiply work: one that several values read stays, unless
/// it keeps every element in its place; and so does a plain sum, which takes no level.
pub(crate) fn fuse(mut graph: Graph) -> Graph {
    let uses = graph.uses();
    for index in 0..graph.values.len() {
        let Operation::Affine(outer) = &graph.values[index].operation else { continue };
        let mut fused = Affine { terms: vec![], offset: outer.offset.clone() };
        for (source, matrix) in &outer.terms {
            match &graph.values[*source].operation {
                Operation::Affine(inner)
                    if is_composed(inner, uses[*source]) && stays_small(matrix, inner) =>
                {
                    for (root, map) in &inner.terms {
                        fused.add(*root, matrix.after(map));
                    }
                    let moved = matrix.apply(&inner.offset);
                    fused.offset.iter_mut().zip(moved).for_each(|(offset, more)| *offset += more);
                }
                _ => fused.add(*source, matrix.clone()),
            }
        }
        let folded = into_polynomial(&graph, &uses, &fused);
        graph.values[index].operation = folded.unwrap_or(Operation::Affine(fused));
    }
    graph.without_unused()
}

/// Whether the maps together have hardly more factors than apart, or few: a narrow layer between two
/// wide ones is worth its level.
fn stays_small(outer: &SparseMatrix, inner: &Affine) -> bool {
    let apart = outer.count() + inner.terms.iter().map(|(_, matrix)| matrix.count()).sum::<usize>();
    let together = inner.terms.iter().map(|(_, matrix)| outer.count_after(matrix)).sum::<usize>();
    together <= apart.max(MAX_FACTORS) * 4
}

fn is_composed(inner: &Affine, uses: usize) -> bool {
    match &inner.terms[..] {
        [(_, matrix)] => uses == 1 || matrix.is_diagonal(),
        _ => uses == 1 && !inner.is_free(),
    }
}

/// `a·p(x) + b` as a polynomial, if nothing else reads p(x).
fn into_polynomial(graph: &Graph, uses: &[usize], affine: &Affine) -> Option<Operation> {
    let [(source, matrix)] = &affine.terms[..] else { return None };
    let Operation::Polynomial(x, polynomial) = &graph.values[*source].operation else { return None };
    let (factor, offset) = (matrix.as_scalar()?, *affine.offset.first()?);
    if uses[*source] != 1 || affine.offset.iter().any(|&other| other != offset) {
        return None;
    }
    let mut coefficients: Vec<f64> = polynomial.coefficients.iter().map(|c| factor * c).collect();
    *coefficients.first_mut()? += offset;
    Some(Operation::Polynomial(*x, Polynomial { basis: polynomial.basis, coefficients }))
}

#[cfg(test)]
mod tests {
    use ckks_core::PolynomialBasis;

    use super::*;
    use crate::{graph::Value, reference::evaluate};

    fn dense(rows: usize, columns: usize, salt: f64) -> SparseMatrix {
        let entry = |r: usize, c: usize| ((r * columns + c) as f64 * 0.7 + salt).sin();
        SparseMatrix::from_rows(columns, (0..rows).map(|r| (0..columns).map(move |c| (c, entry(r, c)))))
    }

    fn affine(source: usize, matrix: SparseMatrix) -> Operation {
        let mut affine = Affine::linear(source, matrix);
        affine.offset.iter_mut().enumerate().for_each(|(i, offset)| *offset = i as f64 / 4.0 - 0.5);
        Operation::Affine(affine)
    }

    fn graph(operations: Vec<(usize, Operation)>) -> Graph {
        let values = operations.into_iter().enumerate();
        let values = values.map(|(i, (dimension, operation))| Value {
            name: format!("{i}"),
            shape: vec![dimension],
            operation,
        });
        Graph::new(values.collect())
    }

    fn assert_fuses(graph: &Graph, operations: usize) {
        let fused = fuse(graph.clone());
        assert_eq!(fused.values.len(), operations);
        let x = [0.3, -1.2, 2.0];
        for (a, b) in evaluate(&fused, &x).iter().zip(evaluate(graph, &x)) {
            assert!((a - b).abs() < 1e-12, "{a} {b}");
        }
    }

    #[test]
    fn a_chain_of_affine_maps_becomes_one_with_the_same_values() {
        let chain = vec![
            (3, Operation::Input),
            (3, affine(0, SparseMatrix::diagonal(&[0.5, 1.5, -2.0]))),
            (4, affine(1, dense(4, 3, 1.0))),
            (4, affine(2, SparseMatrix::scalar(4, -1.0))),
            (2, affine(3, dense(2, 4, 2.0))),
        ];
        assert_fuses(&graph(chain), 2);
    }

    #[test]
    fn branches_that_meet_again_become_one_map() {
        let mut sum = Affine::linear(1, SparseMatrix::scalar(3, 1.0));
        sum.add(2, SparseMatrix::scalar(3, -1.0));
        let branches = vec![
            (3, Operation::Input),
            (3, affine(0, dense(3, 3, 0.0))),
            (3, affine(0, dense(3, 3, 4.0))),
            (3, Operation::Affine(sum)),
        ];
        assert_fuses(&graph(branches), 2);
    }

    #[test]
    fn a_map_that_is_read_twice_is_not_computed_twice() {
        let shared = vec![
            (3, Operation::Input),
            (3, affine(0, dense(3, 3, 0.0))),
            (3, affine(1, dense(3, 3, 4.0))),
            (3, Operation::Product(1, 2)),
        ];
        assert_fuses(&graph(shared), 4);
    }

    #[test]
    fn scaling_a_polynomial_scales_its_coefficients() {
        let square = Polynomial { basis: PolynomialBasis::Power, coefficients: vec![1.0, 0.5, 2.0] };
        let mut scaled = Affine::linear(1, SparseMatrix::scalar(3, 0.25));
        scaled.offset = vec![3.0; 3];
        let scaled = vec![
            (3, Operation::Input),
            (3, Operation::Polynomial(0, square)),
            (3, Operation::Affine(scaled)),
        ];
        assert_fuses(&graph(scaled), 2);
    }
}
