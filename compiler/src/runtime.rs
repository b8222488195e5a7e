//! The ONNX file as another implementation computes it: tract, which shares nothing with this compiler
//! but the messages of the file format.

use std::{io::Cursor, sync::Arc};

use tract_onnx::prelude::{
    DatumExt, Framework, InferenceModelExt, IntoRunnable, IntoTensor, Tensor, TractError, TypedRunnableModel,
    tract_ndarray::ArrayD, tvec,
};

use crate::{error::CompileError, graph::Graph, reference};

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
        largest = found.iter().zip(&expected).fold(largest, |most, (a, b)| most.max((a - b).abs()));
        magnitude = expected.iter().fold(magnitude, |most, number| most.max(number.abs()));
    }
    Ok(largest / magnitude)
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
