//! What ends a model and is left to the client: it needs no secret arithmetic, and has no good polynomial.

use std::collections::HashSet;

use super::{Importer, Meaning, attributes::Attributes, refuse};
use crate::{
    error::CompileError,
    graph::Postprocessing,
    onnx::{GraphProto, Node},
};

/// Operators that may follow what is left to the client: they name or rearrange the same result.
const FOLLOWERS: [&str; 10] = [
    "ArgMax",
    "ArrayFeatureExtractor",
    "Cast",
    "Flatten",
    "Identity",
    "Normalizer",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "ZipMap",
];

/// The names that are read by more than what may follow the end of a model.
pub(super) fn inner_names(proto: &GraphProto) -> HashSet<&str> {
    let mut inner = HashSet::new();
    // Nodes are in the order of computation.
    for node in proto.node.iter().rev() {
        let follows = FOLLOWERS.contains(&node.op_type.as_str());
        if !follows || node.output.iter().any(|name| inner.contains(name.as_str())) {
            inner.extend(node.input.iter().map(String::as_str));
        }
    }
    inner
}

impl Importer<'_> {
    /// Whether nothing but the output of the model, and its naming, comes after a node.
    pub(super) fn is_final(&self, node: &Node) -> bool {
        !node.output.iter().any(|name| self.inner.contains(name.as_str()))
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

    /// Classes by the number of the largest element: the client names that element in any case.
    pub(super) fn class_names(&mut self, node: &Node) -> Result<(), CompileError> {
        match self.operand(node, 1)?.clone() {
            client @ Meaning::Client { .. } => self.mean(node, 0, client),
            _ => Err(refuse(
                node,
                "it chooses features by a position that is not the largest element",
                "use Gather with constant indices",
            )),
        }
    }

    /// A sum of 1 is what a softmax has in any case.
    pub(super) fn normalizer(&mut self, node: &Node) -> Result<(), CompileError> {
        let norm = Attributes::of(node).text("norm").unwrap_or_else(|| "MAX".into());
        match self.operand(node, 0)?.clone() {
            client @ Meaning::Client { .. }
                if norm == "L1" && self.postprocessing == Postprocessing::Softmax && self.is_final(node) =>
            {
                self.mean(node, 0, client)
            }
            _ => Err(refuse(
                node,
                "it divides by the size of encrypted data",
                "normalise samples before encryption, or results after it",
            )),
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
