//! Fuses chains of affine maps into one, whatever operators wrote them.

use crate::graph::{Affine, Graph, Matrix, Operation};

/// Composes every affine map with the one it reads, if nothing else reads that.
///
/// In order, so that a chain ends up in its last map; the others are removed as unused.
pub(crate) fn fuse(mut graph: Graph) -> Graph {
    let uses = graph.uses();
    for index in 0..graph.values.len() {
        let Operation::Affine(source, outer) = &graph.values[index].operation else { continue };
        let Operation::Affine(root, inner) = &graph.values[*source].operation else { continue };
        if uses[*source] == 1 {
            graph.values[index].operation = Operation::Affine(*root, compose(outer, inner));
        }
    }
    graph.without_unused()
}

/// `outer ∘ inner`.
fn compose(outer: &Affine, inner: &Affine) -> Affine {
    let inner_offset = match inner {
        Affine::Elementwise { offset, .. } | Affine::Dense { offset, .. } => offset,
    };
    let offset = outer.apply(inner_offset);
    match (outer, inner) {
        (Affine::Elementwise { factor: f, .. }, Affine::Elementwise { factor: g, .. }) => {
            Affine::Elementwise { factor: f.iter().zip(g).map(|(f, g)| f * g).collect(), offset }
        }
        (Affine::Elementwise { factor, .. }, Affine::Dense { matrix, .. }) => {
            let rows = factor.iter().enumerate();
            let entries = rows.flat_map(|(r, f)| matrix.row(r).iter().map(move |entry| f * entry)).collect();
            Affine::Dense { matrix: Matrix { entries, ..*matrix }, offset }
        }
        (Affine::Dense { matrix, .. }, Affine::Elementwise { factor, .. }) => {
            let columns = matrix.entries.iter().zip(factor.iter().cycle());
            Affine::Dense {
                matrix: Matrix { entries: columns.map(|(e, f)| e * f).collect(), ..*matrix },
                offset,
            }
        }
        (Affine::Dense { matrix: a, .. }, Affine::Dense { matrix: b, .. }) => {
            let mut entries = vec![0.0; a.rows * b.columns];
            for (r, out) in entries.chunks_exact_mut(b.columns).enumerate() {
                for (k, factor) in a.row(r).iter().enumerate() {
                    out.iter_mut().zip(b.row(k)).for_each(|(out, entry)| *out += factor * entry);
                }
            }
            Affine::Dense { matrix: Matrix { rows: a.rows, columns: b.columns, entries }, offset }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{graph::Value, reference::evaluate};

    #[test]
    fn a_chain_of_affine_maps_becomes_one_with_the_same_values() {
        let dense = |rows: usize, columns: usize, salt: f64| Affine::Dense {
            matrix: Matrix {
                rows,
                columns,
                entries: (0..rows * columns).map(|i| (i as f64 * 0.7 + salt).sin()).collect(),
            },
            offset: (0..rows).map(|i| i as f64 - salt).collect(),
        };
        let elementwise = |n: usize| Affine::Elementwise {
            factor: (0..n).map(|i| 0.5 + i as f64).collect(),
            offset: vec![0.25; n],
        };
        let maps = [(3, elementwise(3)), (4, dense(4, 3, 1.0)), (4, elementwise(4)), (2, dense(2, 4, 2.0))];
        let mut graph = Graph {
            input_shape: vec![3],
            values: vec![Value { name: "in".into(), dimension: 3, operation: Operation::Input }],
            postprocessing: crate::graph::Postprocessing::None,
        };
        for (i, (dimension, affine)) in maps.into_iter().enumerate() {
            let operation = Operation::Affine(i, affine);
            graph.values.push(Value { name: format!("{i}"), dimension, operation });
        }
        let fused = fuse(graph.clone());
        assert_eq!(fused.values.len(), 2);
        let x = [0.3, -1.2, 2.0];
        for (a, b) in evaluate(&fused, &x).iter().zip(evaluate(&graph, &x)) {
            assert!((a - b).abs() < 1e-12);
        }
    }
}
