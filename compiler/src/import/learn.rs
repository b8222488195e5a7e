//! Operators of the domain `ai.onnx.ml`, as exported from scikit-learn.

use ckks_client::Postprocessing;

use super::{Importer, Meaning, attributes::Attributes, client::class_labels, refuse};
use crate::{
    error::CompileError,
    function::Function,
    graph::{Affine, Operation},
    onnx::Node,
    sparse::SparseMatrix,
};

impl Importer<'_> {
    /// LinearClassifier and LinearRegressor: one score per row of coefficients.
    pub(super) fn linear_model(&mut self, node: &Node) -> Result<(), CompileError> {
        let attributes = Attributes::of(node);
        let (shape, x) = self.variable(node, 0)?;
        let columns: usize = shape.iter().product();
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
        let mut coefficients = attributes.numbers("coefficients").unwrap_or_default();
        let mut rows = coefficients.len() / columns.max(1);
        if rows == 0 || rows * columns != coefficients.len() {
            let reason = format!("it has {} coefficients for {columns} features", coefficients.len());
            return Err(refuse(node, reason, "check the exported model"));
        }
        let intercepts = attributes.numbers("intercepts").filter(|numbers| !numbers.is_empty());
        let mut offset = intercepts.unwrap_or_else(|| vec![0.0; rows]);
        if offset.len() != rows || [&coefficients, &offset].into_iter().flatten().any(|n| !n.is_finite()) {
            return Err(refuse(node, "its intercepts do not fit", "check the exported model"));
        }
        let is_classifier = node.op_type == "LinearClassifier";
        if is_classifier && rows == 1 {
            if postprocessing != Postprocessing::Sigmoid {
                let reason = format!("it has one score for two classes and post_transform {transform}");
                return Err(refuse(node, reason, "use LOGISTIC, or give each class a score"));
            }
            // The other class has the rest of the probability.
            for numbers in [&mut coefficients, &mut offset] {
                *numbers = [numbers.iter().map(|number| -number).collect(), numbers.clone()].concat();
            }
            rows = 2;
        }
        let row = |r: usize| coefficients[r * columns..][..columns].iter().copied().enumerate();
        let matrix = SparseMatrix::from_rows(columns, (0..rows).map(row));
        let operation = Operation::Affine(Affine { terms: vec![(x, matrix)], offset });
        let scores = self.value(node, vec![1, rows], operation)?;
        if !is_classifier && postprocessing == Postprocessing::None {
            return self.mean(node, 0, scores);
        }
        if !self.is_final(node) {
            if postprocessing != Postprocessing::Sigmoid {
                return Err(refuse(node, "it is not at the end of the model", "export scores, not labels"));
            }
            // A part of a larger classifier, whose probabilities others read.
            let inner = Operation::Map(self.values.len() - 1, Function::Sigmoid);
            let probabilities = self.value(node, vec![1, rows], inner)?;
            return self.mean(node, usize::from(is_classifier), probabilities);
        }
        let value = self.values.len() - 1;
        if is_classifier {
            self.labels = class_labels(node);
        }
        // A classifier gives the class, then the scores.
        let scores = (vec![1, rows], postprocessing);
        let outputs =
            if is_classifier { vec![(vec![1], Postprocessing::Argmax), scores] } else { vec![scores] };
        for (position, (shape, postprocessing)) in outputs.into_iter().enumerate().take(node.output.len()) {
            self.mean(node, position, Meaning::Client { shape, value, postprocessing })?;
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
