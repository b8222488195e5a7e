//! Operators of the domain `ai.onnx.ml`, as exported from scikit-learn.

use super::{Importer, Meaning, attributes::Attributes, refuse};
use crate::{
    error::CompileError,
    graph::{Affine, Operation, Postprocessing},
    onnx::Node,
    sparse::SparseMatrix,
};

impl Importer<'_> {
    /// LinearClassifier and LinearRegressor: one score per row of coefficients.
    pub(super) fn linear_model(&mut self, node: &Node) -> Result<(), CompileError> {
        let attributes = Attributes::of(node);
        let (shape, x) = self.variable(node, 0)?;
        let columns: usize = shape.iter().product();
        let coefficients = attributes.numbers("coefficients").unwrap_or_default();
        let rows = coefficients.len() / columns.max(1);
        if rows == 0 || rows * columns != coefficients.len() {
            let reason = format!("it has {} coefficients for {columns} features", coefficients.len());
            return Err(refuse(node, reason, "check the exported model"));
        }
        let intercepts = attributes.numbers("intercepts").filter(|numbers| !numbers.is_empty());
        let offset = intercepts.unwrap_or_else(|| vec![0.0; rows]);
        if offset.len() != rows || [&coefficients, &offset].into_iter().flatten().any(|n| !n.is_finite()) {
            return Err(refuse(node, "its intercepts do not fit", "check the exported model"));
        }
        let row = |r: usize| coefficients[r * columns..][..columns].iter().copied().enumerate();
        let matrix = SparseMatrix::from_rows(columns, (0..rows).map(row));
        let operation = Operation::Affine(Affine { terms: vec![(x, matrix)], offset });
        let scores = self.value(node, vec![1, rows], operation)?;
        let transform = attributes.text("post_transform").unwrap_or_else(|| "NONE".into());
        let postprocessing = match transform.as_str() {
            "NONE" => Postprocessing::None,
            "LOGISTIC" => Postprocessing::Sigmoid,
            "SOFTMAX" => Postprocessing::Softmax,
            other => {
                return Err(refuse(
                    node,
                    format!("its post_transform {other} is not supported"),
                    "use NONE, LOGISTIC or SOFTMAX",
                ));
            }
        };
        let is_classifier = node.op_type == "LinearClassifier";
        if !is_classifier && postprocessing == Postprocessing::None {
            return self.mean(node, 0, scores);
        }
        if !self.is_final(node) {
            return Err(refuse(node, "it is not at the end of the model", "export scores, not labels"));
        }
        self.postprocessing = postprocessing;
        for position in 0..node.output.len() {
            self.mean(node, position, Meaning::Client { value: self.values.len() - 1 })?;
        }
        Ok(())
    }

    /// `(x − offset)·scale`.
    pub(super) fn scaler(&mut self, node: &Node) -> Result<(), CompileError> {
        let attributes = Attributes::of(node);
        let (shape, x) = self.variable(node, 0)?;
        let dimension: usize = shape.iter().product();
        let spread = |name: &str, otherwise: f64| {
            let numbers = attributes.numbers(name).unwrap_or_else(|| vec![otherwise]);
            match numbers[..] {
                [number] => Some(vec![number; dimension]),
                _ => (numbers.len() == dimension).then_some(numbers),
            }
            .filter(|numbers| numbers.iter().all(|number| number.is_finite()))
        };
        let (Some(offset), Some(scale)) = (spread("offset", 0.0), spread("scale", 1.0)) else {
            return Err(refuse(node, "its factors do not fit", "give one per feature"));
        };
        let moved = offset.iter().zip(&scale).map(|(offset, scale)| -offset * scale).collect();
        self.define_affine(node, shape, x, SparseMatrix::diagonal(&scale), moved)
    }
}
