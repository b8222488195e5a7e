//! What ends a model and is left to the client: it needs no secret arithmetic, and has no good polynomial.

use std::collections::HashSet;

use ckks_client::Postprocessing;

use super::{Importer, Meaning, attributes::Attributes, refuse};
use crate::{
    error::CompileError,
    graph::{Affine, Operation},
    onnx::{GraphProto, Node},
    sparse::SparseMatrix,
};

/// Operators that may follow what is left to the client: they name or rearrange the same result.
const FOLLOWERS: [&str; 12] = [
    "ArgMax",
    "ArgMin",
    "ArrayFeatureExtractor",
    "Cast",
    "Flatten",
    "Identity",
    "LpNormalization",
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

/// What a node at the end of a model reads: a vector, whatever axes of extent 1 it has besides.
struct Whole {
    shape: Vec<usize>,
    /// The axis that has all elements.
    axis: usize,
    value: usize,
    /// What the client computes before.
    before: Postprocessing,
}

/// Whether a function of a value says more than another of the same value: a function than none, anything than a
/// class. Of two functions the first counts.
pub(super) fn says_more(one: Postprocessing, other: Postprocessing) -> bool {
    let rank = |postprocessing| match postprocessing {
        Postprocessing::Argmax => 0,
        Postprocessing::None => 1,
        _ => 2,
    };
    rank(one) > rank(other)
}

impl Importer<'_> {
    /// Whether nothing but the output of the model, and its naming, comes after a node.
    pub(super) fn is_final(&self, node: &Node) -> bool {
        !node.output.iter().any(|name| self.inner.contains(name.as_str()))
    }

    pub(super) fn softmax(&mut self, node: &Node) -> Result<(), CompileError> {
        self.must_be_final(node, "a softmax inside a model has no polynomial substitute")?;
        self.variable(node, 0)?;
        self.whole_output(node, -1)?;
        self.leave_to_client(node, Postprocessing::Softmax)
    }

    /// ArgMax, or ArgMin, which is that of the negative.
    pub(super) fn arg_max(&mut self, node: &Node) -> Result<(), CompileError> {
        self.must_be_final(node, "a comparison cannot be computed on ciphertexts")?;
        let attributes = Attributes::of(node);
        if attributes.flag("select_last_index") {
            return Err(refuse(node, "it chooses the last of equals", "set select_last_index to 0"));
        }
        let Whole { mut shape, axis, value, before } = self.whole_output(node, 0)?;
        // Every function of the client keeps the order, but a negative maximum would turn it around.
        if matches!(before, Postprocessing::NormalizeMax | Postprocessing::Argmax) {
            return Err(refuse(node, "what it reads has no order", "apply it to the scores"));
        }
        match attributes.integer("keepdims") {
            Some(0) => drop(shape.remove(axis)),
            _ => shape[axis] = 1,
        }
        let value = if node.op_type == "ArgMin" { self.negative(node, value)? } else { value };
        self.mean(node, 0, Meaning::Client { shape, value, postprocessing: Postprocessing::Argmax })
    }

    /// ZipMap: what it reads, with names.
    pub(super) fn zip_map(&mut self, node: &Node) -> Result<(), CompileError> {
        self.must_be_final(node, "a map from names to numbers is not a vector")?;
        self.labels = class_labels(node);
        let meaning = match self.operand(node, 0)?.clone() {
            Meaning::Variable { shape, value } => {
                Meaning::Client { shape, value, postprocessing: Postprocessing::None }
            }
            client @ Meaning::Client { .. } => client,
            Meaning::Constant { .. } => return self.variable(node, 0).map(|_| ()),
        };
        self.mean(node, 0, meaning)
    }

    /// Classes by the number of the largest element.
    pub(super) fn class_names(&mut self, node: &Node) -> Result<(), CompileError> {
        match self.operand(node, 1)?.clone() {
            client @ Meaning::Client { postprocessing: Postprocessing::Argmax, .. } => {
                let names = node.input.first().map_or("", String::as_str);
                self.labels = match self.names.get(names) {
                    Some(Meaning::Constant { numbers, .. }) => numbers.iter().map(f64::to_string).collect(),
                    _ => self.texts(names),
                };
                self.mean(node, 0, client)
            }
            _ => Err(refuse(
                node,
                "it chooses features by a position that is not the largest element",
                "use Gather with constant indices",
            )),
        }
    }

    /// Normalizer and LpNormalization, which divide by a norm of the whole output.
    pub(super) fn normalizer(&mut self, node: &Node) -> Result<(), CompileError> {
        self.must_be_final(node, "normalise samples before encryption, or results after it")?;
        let attributes = Attributes::of(node);
        let norm = match attributes.text("norm") {
            Some(norm) => norm,
            None if node.op_type == "LpNormalization" => format!("L{}", attributes.integer("p").unwrap_or(2)),
            None => "MAX".into(),
        };
        let by = match norm.as_str() {
            "L1" => Postprocessing::NormalizeL1,
            "L2" => Postprocessing::NormalizeL2,
            "MAX" => Postprocessing::NormalizeMax,
            _ => return Err(refuse(node, format!("its norm {norm} is not known"), "use L1, L2 or MAX")),
        };
        let Whole { shape, value, before, .. } = self.whole_output(node, -1)?;
        let postprocessing = match (before, by) {
            (Postprocessing::None, _) => by,
            (Postprocessing::Sigmoid, Postprocessing::NormalizeL1) => Postprocessing::SigmoidNormalizeL1,
            // A sum of 1 is what a softmax has in any case.
            (Postprocessing::Softmax, Postprocessing::NormalizeL1) => Postprocessing::Softmax,
            _ => {
                let reason = format!("the client cannot apply norm {norm} after {}", before.name());
                return Err(refuse(node, reason, "leave out one of the two"));
            }
        };
        self.mean(node, 0, Meaning::Client { shape, value, postprocessing })
    }

    pub(super) fn leave_to_client(
        &mut self,
        node: &Node,
        postprocessing: Postprocessing,
    ) -> Result<(), CompileError> {
        let (shape, value) = self.variable(node, 0)?;
        self.mean(node, 0, Meaning::Client { shape, value, postprocessing })
    }

    fn must_be_final(&self, node: &Node, advice: &str) -> Result<(), CompileError> {
        if self.is_final(node) {
            Ok(())
        } else {
            Err(refuse(node, "it is not at the end of the model", advice))
        }
    }

    /// What a node reads, if it works along an axis that has all its elements. `otherwise` is the axis of a node
    /// that names none.
    fn whole_output(&self, node: &Node, otherwise: i64) -> Result<Whole, CompileError> {
        let (shape, value, before) = match self.operand(node, 0)?.clone() {
            Meaning::Client { shape, value, postprocessing } => (shape, value, postprocessing),
            _ => self.variable(node, 0).map(|(shape, value)| (shape, value, Postprocessing::None))?,
        };
        let axis = Attributes::of(node).integer("axis").unwrap_or(otherwise);
        let axis = if axis < 0 { axis.saturating_add(shape.len() as i64) } else { axis };
        let along = usize::try_from(axis).ok().filter(|&axis| axis < shape.len());
        match along {
            Some(axis) if shape[axis] == shape.iter().product::<usize>() => {
                Ok(Whole { shape, axis, value, before })
            }
            _ => {
                let advice = format!("apply {} to one vector", node.op_type);
                Err(refuse(node, "it is not over the whole output", advice))
            }
        }
    }

    /// A new value, the negative of another.
    fn negative(&mut self, node: &Node, value: usize) -> Result<usize, CompileError> {
        let dimension = self.values[value].dimension();
        let matrix = SparseMatrix::scalar(dimension, -1.0);
        let affine = Affine { terms: vec![(value, matrix)], offset: vec![0.0; dimension] };
        self.value(node, vec![1, dimension], Operation::Affine(affine))?;
        Ok(self.values.len() - 1)
    }

    /// The texts of a constant.
    fn texts(&self, name: &str) -> Vec<String> {
        let tensor = self.proto.initializer.iter().find(|tensor| tensor.name == name);
        let texts = tensor.map(|tensor| tensor.string_data.iter());
        texts.into_iter().flatten().map(|text| String::from_utf8_lossy(text).into_owned()).collect()
    }
}

/// The names of classes that an operator of scikit-learn's exporter has.
pub(super) fn class_labels(node: &Node) -> Vec<String> {
    let attributes = Attributes::of(node);
    let numbers = || {
        let lists = ["classlabels_ints", "classlabels_int64s"].map(|name| attributes.integers(name));
        let list = lists.into_iter().flatten().find(|list| !list.is_empty());
        list.unwrap_or_default().iter().map(i64::to_string).collect()
    };
    attributes.texts("classlabels_strings").filter(|texts| !texts.is_empty()).unwrap_or_else(numbers)
}
