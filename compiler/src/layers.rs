//! What each layer of a compiled model takes: levels, key switches, and the time it was measured to take.

use std::time::Duration;

use ckks_core::{Instruction, Params, Register};
use serde::Serialize;

use crate::{
    error::CompileError,
    graph::{Graph, Operation},
    lower::Lowered,
};

/// A value of the graph, after all passes, and what computes it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Layer {
    /// The node of the model that it ends in.
    pub node: String,
    /// What kind of step it is.
    pub operation: &'static str,
    /// Its extents.
    pub shape: Vec<usize>,
    /// The layers that it reads.
    pub reads: Vec<usize>,
    /// Its level; the result has the last one.
    pub level: u8,
    /// Key switches.
    pub key_switches: usize,
    /// Products with encoded diagonals and constants.
    pub plain_multiplications: usize,
    /// The distance of rotations that one product does, if there are such pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paired_by: Option<u32>,
    /// Milliseconds on one core of the machine that compiled it.
    pub milliseconds: f64,
}

/// Lists the layers of a program; `times` are those of its instructions.
///
/// # Errors
/// [`CompileError::Program`] when the program does not fit the parameters.
pub(crate) fn layers(
    graph: &Graph,
    lowered: &Lowered,
    params: &Params,
    times: &[Duration],
) -> Result<Vec<Layer>, CompileError> {
    let mut found = Vec::with_capacity(graph.values.len());
    // What is needed up to a layer less what was needed before it.
    let mut until = lowered.program.clone();
    let mut before = [0; 2];
    for (value, span) in graph.values.iter().zip(&lowered.spans) {
        until.instructions.clone_from(&lowered.program.instructions);
        until.instructions.truncate(span.end);
        until.outputs = vec![Register(until.registers() as u32 - 1)];
        let facts = until.check(params).map_err(CompileError::program)?;
        let counts = [facts.key_switches, facts.plain_multiplications];
        let instructions = lowered.program.instructions.get(span.clone()).unwrap_or_default();
        let paired_by = instructions.iter().find_map(|instruction| match instruction {
            Instruction::LinearTransform { transform, .. } => {
                lowered.program.transforms[*transform as usize].paired_by
            }
            _ => None,
        });
        let time: Duration = times.get(span.clone()).unwrap_or_default().iter().sum();
        found.push(Layer {
            node: value.name.clone(),
            operation: kind(&value.operation),
            shape: value.shape.clone(),
            reads: value.operation.operands(),
            level: facts.output_levels.first().map_or(0, |level| level.0),
            key_switches: counts[0] - before[0],
            plain_multiplications: counts[1] - before[1],
            paired_by,
            milliseconds: time.as_secs_f64() * 1e3,
        });
        before = counts;
    }
    Ok(found)
}

fn kind(operation: &Operation) -> &'static str {
    match operation {
        Operation::Input => "input",
        Operation::Affine(affine) if affine.is_free() => "sum",
        Operation::Affine(_) => "linear",
        Operation::Map(..) => "function",
        Operation::Polynomial(..) => "polynomial",
        Operation::Product(x, y) if x == y => "square",
        Operation::Product(..) => "product",
    }
}
