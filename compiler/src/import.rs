//! From ONNX to a [`Graph`]. Tensors are flattened; shapes are followed only as far as it takes to
//! broadcast constants and to refuse what is not one sample.

mod node;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::{
    error::CompileError,
    graph::{Graph, Operation, Postprocessing, Value},
    onnx::{self, GraphProto, Node, ValueInfo, checked_shape, declared_extents, numbers, tensor_shape},
};

/// More nodes than any model that can be evaluated encrypted.
const MAX_NODES: usize = 1 << 16;

/// What an ONNX name stands for.
#[derive(Clone, Debug)]
enum Meaning {
    /// Numbers that are known.
    Constant { shape: Vec<usize>, numbers: Vec<f64> },
    /// A value of the graph.
    Variable { shape: Vec<usize>, value: usize },
}

/// The state of an import.
struct Importer {
    names: HashMap<String, Meaning>,
    values: Vec<Value>,
    postprocessing: Postprocessing,
    output: String,
}

/// Reads an ONNX file.
///
/// # Errors
/// [`CompileError::Malformed`], [`CompileError::Unsupported`].
pub fn import(bytes: &[u8]) -> Result<Graph, CompileError> {
    let proto = onnx::parse(bytes)?;
    if proto.node.len() > MAX_NODES {
        return Err(CompileError::malformed(format!("{} nodes are more than {MAX_NODES}", proto.node.len())));
    }
    let mut names = HashMap::new();
    for tensor in &proto.initializer {
        let meaning = Meaning::Constant { shape: tensor_shape(tensor)?, numbers: numbers(tensor)? };
        names.insert(tensor.name.clone(), meaning);
    }
    let input = single("input", proto.input.iter().filter(|info| !names.contains_key(&info.name)))?;
    let output = single("output", proto.output.iter())?;
    let input_shape = shape_of_sample(input)?;
    let dimension = input_shape.iter().product();
    names.insert(input.name.clone(), Meaning::Variable { shape: with_batch(&input_shape), value: 0 });
    let first = Value { name: input.name.clone(), dimension, operation: Operation::Input };
    let mut importer = Importer {
        names,
        values: vec![first],
        postprocessing: Postprocessing::None,
        output: output.name.clone(),
    };
    for node in &proto.node {
        importer.node(node, &proto)?;
    }
    importer.finish(input_shape)
}

fn single<'a>(
    what: &str,
    mut infos: impl Iterator<Item = &'a ValueInfo>,
) -> Result<&'a ValueInfo, CompileError> {
    match (infos.next(), infos.next()) {
        (Some(info), None) => Ok(info),
        (None, _) => Err(CompileError::malformed(format!("the graph has no {what}"))),
        (Some(_), Some(_)) => Err(CompileError::malformed(format!(
            "the graph has more than one {what}; export a model with one"
        ))),
    }
}

/// The shape without the batch axis, which may be 1 or left open.
fn shape_of_sample(info: &ValueInfo) -> Result<Vec<usize>, CompileError> {
    let extents = declared_extents(info);
    let extents =
        extents.ok_or_else(|| CompileError::malformed(format!("input {:?} has no shape", info.name)))?;
    let mut dims = extents.into_iter();
    if dims.len() < 2 || !matches!(dims.next(), Some(0 | 1)) {
        return Err(CompileError::malformed(format!(
            "input {:?} must have a batch axis of 1 or of open size first; export the model so",
            info.name
        )));
    }
    checked_shape(&info.name, dims)
}

fn with_batch(shape: &[usize]) -> Vec<usize> {
    [&[1], shape].concat()
}

impl Importer {
    fn finish(mut self, input_shape: Vec<usize>) -> Result<Graph, CompileError> {
        let Some(Meaning::Variable { value, .. }) = self.names.get(&self.output) else {
            return Err(CompileError::malformed(format!(
                "output {:?} does not depend on the input",
                self.output
            )));
        };
        let value = *value;
        // The output is the last value.
        self.values.truncate(value + 1);
        let graph = Graph { input_shape, values: self.values, postprocessing: self.postprocessing };
        Ok(graph.without_unused())
    }

    /// Adds a value and gives its name the meaning.
    fn define(&mut self, node: &Node, shape: Vec<usize>, operation: Operation) -> Result<(), CompileError> {
        let dimension = shape.iter().product();
        let value = self.values.len();
        self.values.push(Value { name: title(node), dimension, operation });
        self.mean(node, Meaning::Variable { shape, value })
    }

    /// Gives the output of a node its meaning.
    fn mean(&mut self, node: &Node, meaning: Meaning) -> Result<(), CompileError> {
        let name = node.output.first().ok_or_else(|| CompileError::malformed("a node has no output"))?;
        if self.postprocessing != Postprocessing::None {
            return Err(refuse(
                node,
                "it follows a function that is left to the client",
                "end the model with Softmax or Sigmoid",
            ));
        }
        self.names.insert(name.clone(), meaning);
        Ok(())
    }
}

/// The name of a node for messages.
fn title(node: &Node) -> String {
    if node.name.is_empty() { node.output.first().cloned().unwrap_or_default() } else { node.name.clone() }
}

fn refuse(node: &Node, reason: impl Into<String>, advice: impl Into<String>) -> CompileError {
    CompileError::Unsupported {
        node: title(node),
        operator: node.op_type.clone(),
        reason: reason.into(),
        advice: advice.into(),
    }
}

/// Whether a name is read by any node.
fn is_read(proto: &GraphProto, name: &str) -> bool {
    proto.node.iter().any(|node| node.input.iter().any(|input| input == name))
}
