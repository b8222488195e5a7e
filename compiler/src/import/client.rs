//! What ends a model and is left to the client: it needs no secret arithmetic, and has no good polynomial.

use super::{Importer, Meaning, attributes::Attributes, refuse};
use crate::{error::CompileError, graph::Postprocessing, onnx::Node};

/// Operators that may follow what is left to the client: they name or rearrange the same result.
const FOLLOWERS: [&str; 8] =
    ["ArgMax", "ZipMap", "Identity", "Cast", "Flatten", "Reshape", "Squeeze", "Unsqueeze"];

impl Importer<'_> {
    /// Whether nothing but the output of the model, and its naming, comes after a node.
    pub(super) fn is_final(&self, node: &Node) -> bool {
        let mut names: Vec<&str> = node.output.iter().map(String::as_str).collect();
        // Nodes are in the order of computation.
        self.proto.node.iter().all(|reader| {
            if !reader.input.iter().any(|input| names.contains(&input.as_str())) {
                return true;
            }
            names.extend(reader.output.iter().map(String::as_str));
            FOLLOWERS.contains(&reader.op_type.as_str())
        })
    }

    pub(super) fn softmax(&mut self, node: &Node) -> Result<(), CompileError> {
        if !self.is_final(node) {
            return Err(refuse(
                node,
                "it is not at the end of the model",
                "a softmax inside a model has no polynomial substitute",
            ));
        }
        let (shape, _) = self.variable(node, 0)?;
        let axis = Attributes::of(node).integer("axis").unwrap_or(-1);
        let last = shape.len() as i64 - 1;
        let whole = shape[..shape.len().saturating_sub(1)].iter().all(|&extent| extent == 1);
        if !whole || (axis != -1 && axis != last) {
            return Err(refuse(node, "it is not over the whole output", "apply Softmax to one vector"));
        }
        self.leave_to_client(node, Postprocessing::Softmax)
    }

    /// ArgMax and ZipMap: the client names the largest element in any case.
    pub(super) fn naming(&mut self, node: &Node) -> Result<(), CompileError> {
        if !self.is_final(node) {
            return Err(refuse(
                node,
                "it is not at the end of the model",
                "a comparison cannot be computed on ciphertexts",
            ));
        }
        match self.operand(node, 0)?.clone() {
            Meaning::Variable { value, .. } | Meaning::Client { value } => {
                self.mean(node, 0, Meaning::Client { value })
            }
            Meaning::Constant { .. } => self.variable(node, 0).map(|_| ()),
        }
    }

    pub(super) fn leave_to_client(
        &mut self,
        node: &Node,
        postprocessing: Postprocessing,
    ) -> Result<(), CompileError> {
        let (_, value) = self.variable(node, 0)?;
        self.postprocessing = postprocessing;
        self.mean(node, 0, Meaning::Client { value })
    }
}
