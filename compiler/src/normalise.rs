//! Has the client bring the elements of an input to one magnitude, where they are far from it.
//!
//! Noise and rounded weights make errors in proportion to the largest element, whatever the others are: next to a
//! feature in the thousands, one in hundredths is lost. Factors are powers of two; they go out of the weights of
//! the layers that read the input. The elements of a vector have one each, being of different kinds; an image, or
//! another tensor of more axes, has one in all: its elements are of one kind, and a margin that is dark in the
//! samples is not to be magnified.

use crate::graph::{Graph, Operation};

/// Inputs whose largest element is beyond this, or below its inverse, are scaled.
const FAR: f64 = 8.0;

/// Divides the weights that read the input by the factors that a client multiplies it with, and returns these; or
/// leaves all as it is where nothing is gained, or where something else than a matrix reads the input.
pub(crate) fn normalise(mut graph: Graph, samples: &[Vec<f64>]) -> (Graph, Option<Vec<f64>>) {
    let input = &graph.values[0];
    let mut magnitudes: Vec<f64> = (0..input.dimension())
        .map(|i| samples.iter().fold(0.0f64, |most, sample| most.max(sample[i].abs())))
        .collect();
    let largest = magnitudes.iter().copied().fold(0.0, f64::max);
    let is_matrix = |operation: &Operation| match operation {
        Operation::Affine(affine) => !affine.is_free(),
        _ => false,
    };
    let mut readers = graph.values.iter().filter(|value| value.operation.operands().contains(&0));
    let near = (1.0 / FAR..=FAR).contains(&largest) || largest == 0.0;
    if near || graph.output() == 0 || !readers.all(|value| is_matrix(&value.operation)) {
        return (graph, None);
    }
    if input.shape.len() > 1 {
        magnitudes = vec![largest];
    }
    let factors = magnitudes.iter().map(|&magnitude| {
        if magnitude == 0.0 { 1.0 } else { magnitude.log2().ceil().clamp(-64.0, 64.0).exp2().recip() }
    });
    let factors: Vec<f64> = factors.collect();
    for value in &mut graph.values {
        let Operation::Affine(affine) = &mut value.operation else { continue };
        let reading = affine.terms.iter_mut().filter(|(source, _)| *source == 0);
        let factor = |column: usize| factors[column % factors.len()];
        reading.for_each(|(_, matrix)| matrix.scale_columns(|column| factor(column).recip()));
    }
    (graph, Some(factors))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        graph::{Affine, Value},
        reference::evaluate,
        sparse::SparseMatrix,
    };

    fn graph(operation: Operation) -> Graph {
        let value = |operation| Value { name: String::new(), shape: vec![3], operation };
        Graph::new(vec![value(Operation::Input), value(operation)])
    }

    fn dense() -> Operation {
        let rows = (0..3).map(|r| (0..3).map(move |c| (c, (r * 3 + c) as f64 - 3.5)));
        Operation::Affine(Affine::linear(0, SparseMatrix::from_rows(3, rows)))
    }

    #[test]
    fn elements_come_to_one_magnitude_and_outputs_stay() {
        let samples = vec![vec![4000.0, 0.02, 0.0], vec![-3000.0, -0.01, 0.0]];
        let (normalised, factors) = normalise(graph(dense()), &samples);
        let factors = factors.expect("they are far apart");
        assert_eq!(factors, [1.0 / 4096.0, 32.0, 1.0]);
        for sample in &samples {
            let scaled = model_package::scaled(sample, Some(&factors));
            assert!(scaled.iter().all(|x| x.abs() <= 1.0), "{scaled:?}");
            let (a, b) = (evaluate(&normalised, &scaled), evaluate(&graph(dense()), sample));
            assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-9), "{a:?} {b:?}");
        }
    }

    #[test]
    fn elements_of_an_image_keep_their_proportions() {
        let mut image = graph(dense());
        image.values[0].shape = vec![1, 3];
        let samples = vec![vec![255.0, 3.0, 0.0]];
        let (normalised, factors) = normalise(image.clone(), &samples);
        assert_eq!(factors.as_deref(), Some(&[1.0 / 256.0][..]));
        let scaled = model_package::scaled(&samples[0], factors.as_deref());
        let (a, b) = (evaluate(&normalised, &scaled), evaluate(&image, &samples[0]));
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-9), "{a:?} {b:?}");
    }

    #[test]
    fn inputs_near_one_and_inputs_that_are_multiplied_stay() {
        let near = vec![vec![1.0, 0.01, 0.0]];
        assert_eq!(normalise(graph(dense()), &near), (graph(dense()), None));
        let far = vec![vec![1000.0; 3]];
        let square = graph(Operation::Product(0, 0));
        assert_eq!(normalise(square.clone(), &far), (square, None));
    }
}
