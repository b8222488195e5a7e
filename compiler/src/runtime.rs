//! The ONNX file as another implementation computes it: tract, which shares nothing with this compiler
//! but the messages of the file format.

use std::{io::Cursor, sync::Arc};

use serde::Serialize;
use tract_onnx::prelude::{
    DatumExt, Framework, InferenceModelExt, IntoRunnable, IntoTensor, Tensor, TractError, TypedRunnableModel,
    tract_ndarray::ArrayD, tvec,
};

use crate::{error::CompileError, graph::Graph, reference};

/// The largest part of an output by which a model as imported may differ from the runtime, which computes with 24 bits.
const DISAGREEMENT: f64 = 1e-3;

/// What a plaintext runtime says of the model.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// The largest difference of an output, post-processing included.
    LargestDifference(f64),
    /// Why it does not run the model.
    Refused(String),
}

/// A model ready to run in plain numbers.
pub struct Runtime {
    model: Arc<TypedRunnableModel>,
    shape: Vec<usize>,
    /// Which output counts, where there is a class beside probabilities.
    position: usize,
}

/// The largest difference between the imported model and the runtime over some samples, as a part of the
/// largest output or of 1, whichever is more.
///
/// # Errors
/// [`CompileError::Runtime`] when the runtime refuses the file.
pub fn largest_difference(bytes: &[u8], graph: &Graph, inputs: &[Vec<f64>]) -> Result<f64, CompileError> {
    let runtime = Runtime::new(bytes, graph)?;
    let (mut largest, mut magnitude) = (0.0f64, 1.0f64);
    for input in inputs {
        let expected = runtime.run(input)?;
        let found = graph.postprocessing.apply(&reference::evaluate(graph, input));
        if found.len() != expected.len() {
            let reason = format!("it has {} outputs, not {}", expected.len(), found.len());
            return Err(CompileError::Runtime { reason });
        }
        largest = found.iter().zip(&expected).fold(largest, |most, (a, b)| most.max(distance(*a, *b)));
        let finite = expected.iter().filter(|number| number.is_finite());
        magnitude = finite.fold(magnitude, |most, number| most.max(number.abs()));
    }
    Ok(largest / magnitude)
}

/// `|a − b|`, and no distance between what is the same and is no finite number, an infinite one to what is another.
fn distance(a: f64, b: f64) -> f64 {
    match (a - b).abs() {
        _ if a == b || (a.is_nan() && b.is_nan()) => 0.0,
        distance if distance.is_nan() => f64::INFINITY,
        distance => distance,
    }
}

/// What the runtime says of an imported model on some samples.
///
/// # Errors
/// [`CompileError::Runtime`] when it gives other numbers.
pub(crate) fn agreement(bytes: &[u8], graph: &Graph, inputs: &[Vec<f64>]) -> Result<Agreement, CompileError> {
    match largest_difference(bytes, graph, inputs) {
        Ok(difference) if difference > DISAGREEMENT => {
            let reason = format!(
                "it gives other numbers, by {difference:.1e} of the largest: the model was not understood; please report it"
            );
            Err(CompileError::Runtime { reason })
        }
        Ok(difference) => Ok(Agreement::LargestDifference(difference)),
        Err(error) => Ok(Agreement::Refused(error.to_string())),
    }
}

impl Runtime {
    /// Loads an ONNX file; the graph is what this compiler makes of it.
    ///
    /// # Errors
    /// [`CompileError::Runtime`] when that implementation refuses it.
    pub fn new(bytes: &[u8], graph: &Graph) -> Result<Self, CompileError> {
        let refused = |error: TractError| CompileError::Runtime { reason: format!("{error:#}") };
        let shape = [&[1], &graph.values[0].shape[..]].concat();
        let fact = f32::fact(&shape).into();
        let model = tract_onnx::onnx()
            .model_for_read(&mut Cursor::new(bytes))
            .and_then(|model| model.with_input_fact(0, fact))
            // Its optimiser, version 0.23.9, gives wrong numbers for slices of a square.
            .and_then(|model| model.into_typed())
            .and_then(|model| model.into_runnable())
            .map_err(refused)?;
        Ok(Self { model, shape, position: graph.position })
    }

    /// The outputs of the file for one sample, post-processing included.
    ///
    /// # Errors
    /// [`CompileError::Runtime`].
    pub fn run(&self, input: &[f64]) -> Result<Vec<f64>, CompileError> {
        let refused = |reason: String| CompileError::Runtime { reason };
        let numbers: Vec<f32> = input.iter().map(|&number| number as f32).collect();
        let tensor = ArrayD::from_shape_vec(self.shape.clone(), numbers)
            .map_err(|error| refused(error.to_string()))?;
        let tensor: Tensor = tensor.into_tensor();
        let outputs = self.model.run(tvec!(tensor.into())).map_err(|error| refused(format!("{error:#}")))?;
        let output = outputs.get(self.position).ok_or_else(|| refused("it lacks the output".into()))?;
        // A class is a whole number.
        let output = output.cast_to::<f32>().map_err(|error| refused(format!("{error:#}")))?;
        let view = output.to_plain_array_view::<f32>().map_err(|error| refused(format!("{error:#}")))?;
        Ok(view.iter().map(|&number| number.into()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        import::import,
        onnx::fixtures::{model, node, tensor},
    };

    /// Four numbers times a weight each, summed.
    fn weighted(weights: [f32; 4]) -> Vec<u8> {
        let nodes = vec![node("Flatten", &["x"], "flat"), node("MatMul", &["flat", "w"], "y")];
        model(nodes, vec![tensor("w", &[4, 1], &weights)])
    }

    #[test]
    fn what_is_no_number_agrees_with_nothing_else() {
        let (none, all) = (f64::NAN, f64::INFINITY);
        assert_eq!([distance(none, none), distance(all, all), distance(1.0, 1.0)], [0.0; 3]);
        assert_eq!(
            [distance(none, 1.0), distance(1.0, none), distance(all, 1.0), distance(all, none)],
            [all; 4]
        );
        assert_eq!(distance(1.0, -0.5), 1.5);
    }

    #[test]
    fn a_model_that_was_not_understood_is_refused() {
        let file = weighted([1.0, 2.0, 3.0, 4.0]);
        let inputs = [vec![0.5, -0.25, 1.0, 2.0]];
        let graph = import(&file).expect("imports");
        let Ok(Agreement::LargestDifference(difference)) = agreement(&file, &graph, &inputs) else {
            panic!("the runtime runs it");
        };
        assert!(difference < 1e-6, "{difference}");
        let mistaken = import(&weighted([1.0, 2.0, 3.0, 4.1])).expect("imports");
        let refused = agreement(&file, &mistaken, &inputs);
        assert!(matches!(refused, Err(CompileError::Runtime { .. })), "{refused:?}");
    }
}
