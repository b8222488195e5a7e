//! The model in plain numbers, operation by operation: what everything else is compared with.

use ckks_client::{Postprocessing, argmax};

use crate::graph::{Affine, Graph, Operation};

/// All values of the model for one input.
///
/// # Panics
/// When the input has the wrong number of elements.
pub(crate) fn values(graph: &Graph, input: &[f64]) -> Vec<Vec<f64>> {
    assert_eq!(input.len(), graph.values[0].dimension(), "elements of the input");
    let mut values: Vec<Vec<f64>> = Vec::with_capacity(graph.values.len());
    for value in &graph.values {
        let next = match &value.operation {
            Operation::Input => input.to_vec(),
            Operation::Affine(affine) => affine.apply(&values),
            Operation::Map(x, function) => values[*x].iter().map(|&v| function.at(v)).collect(),
            Operation::Polynomial(x, polynomial) => {
                values[*x].iter().map(|&v| polynomial.evaluate(v)).collect()
            }
            Operation::Product(x, y) => values[*x].iter().zip(&values[*y]).map(|(a, b)| a * b).collect(),
        };
        values.push(next);
    }
    values
}

/// The output of the model before post-processing.
///
/// # Panics
/// When the input has the wrong number of elements.
#[must_use]
pub fn evaluate(graph: &Graph, input: &[f64]) -> Vec<f64> {
    values(graph, input).pop().unwrap_or_default()
}

/// The class that an output stands for: the largest element, or for one element whether it is above
/// the middle of what the post-processing gives.
pub(crate) fn class(postprocessing: Postprocessing, output: &[f64]) -> usize {
    match output {
        [single] if postprocessing == Postprocessing::Sigmoid => usize::from(*single > 0.0),
        [single] => usize::from(*single > 0.5),
        _ => argmax(output),
    }
}

/// How far an output is from another class.
pub(crate) fn margin(postprocessing: Postprocessing, output: &[f64]) -> f64 {
    match output {
        [single] if postprocessing == Postprocessing::Sigmoid => single.abs(),
        [single] => (single - 0.5).abs(),
        _ => {
            let mut sorted = output.to_vec();
            sorted.sort_by(f64::total_cmp);
            sorted[sorted.len() - 1] - sorted[sorted.len() - 2]
        }
    }
}

impl Affine {
    /// The value, given all values before it.
    fn apply(&self, values: &[Vec<f64>]) -> Vec<f64> {
        self.terms.iter().fold(self.offset.clone(), |mut sum, (source, matrix)| {
            sum.iter_mut().zip(matrix.apply(&values[*source])).for_each(|(sum, more)| *sum += more);
            sum
        })
    }
}
