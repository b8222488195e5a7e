//! A model as operations on vectors. Tensors are flattened in row-major order, so that whatever
//! only rearranges names or shapes is gone after import.

use ckks_core::Polynomial;

/// A dense matrix, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
    /// Entries, row after row.
    pub entries: Vec<f64>,
}

impl Matrix {
    /// One row.
    #[must_use]
    pub fn row(&self, row: usize) -> &[f64] {
        &self.entries[row * self.columns..][..self.columns]
    }

    /// `self·vector`.
    #[must_use]
    pub fn apply(&self, vector: &[f64]) -> Vec<f64> {
        (0..self.rows).map(|r| self.row(r).iter().zip(vector).map(|(a, b)| a * b).sum()).collect()
    }
}

/// `x → map(x) + offset`.
#[derive(Clone, Debug, PartialEq)]
pub enum Affine {
    /// `factor[i]·x[i] + offset[i]`.
    Elementwise {
        /// One factor per element.
        factor: Vec<f64>,
        /// One summand per element.
        offset: Vec<f64>,
    },
    /// `matrix·x + offset`.
    Dense {
        /// The matrix.
        matrix: Matrix,
        /// One summand per row.
        offset: Vec<f64>,
    },
}

/// A function of one number, applied to each element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `x^n`, n at least 2; exact.
    Power(u32),
    /// `max(x, 0)`.
    Relu,
    /// `1/(1 + e^(−x))`.
    Sigmoid,
    /// `tanh x`.
    Tanh,
}

impl Function {
    /// The value at `x`.
    #[must_use]
    pub fn at(self, x: f64) -> f64 {
        match self {
            Self::Power(n) => x.powi(n.cast_signed()),
            Self::Relu => x.max(0.0),
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Tanh => x.tanh(),
        }
    }

    /// The ONNX operator that it comes from.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Power(_) => "Pow",
            Self::Relu => "Relu",
            Self::Sigmoid => "Sigmoid",
            Self::Tanh => "Tanh",
        }
    }
}

/// How a value is computed; numbers are indices of values before it.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// The input of the model.
    Input,
    /// An affine map of a value.
    Affine(usize, Affine),
    /// A function of each element.
    Map(usize, Function),
    /// A polynomial of each element.
    Polynomial(usize, Polynomial),
    /// Elementwise sum.
    Sum(usize, usize),
    /// Elementwise difference.
    Difference(usize, usize),
    /// Elementwise product.
    Product(usize, usize),
}

impl Operation {
    /// The values it reads.
    #[must_use]
    pub fn operands(&self) -> Vec<usize> {
        match *self {
            Self::Input => vec![],
            Self::Affine(x, _) | Self::Map(x, _) | Self::Polynomial(x, _) => vec![x],
            Self::Sum(x, y) | Self::Difference(x, y) | Self::Product(x, y) => vec![x, y],
        }
    }

    /// The operation reading `numbers[x]` wherever it read x.
    pub(crate) fn renumbered(self, numbers: &[usize]) -> Self {
        match self {
            Self::Input => Self::Input,
            Self::Affine(x, affine) => Self::Affine(numbers[x], affine),
            Self::Map(x, function) => Self::Map(numbers[x], function),
            Self::Polynomial(x, polynomial) => Self::Polynomial(numbers[x], polynomial),
            Self::Sum(x, y) => Self::Sum(numbers[x], numbers[y]),
            Self::Difference(x, y) => Self::Difference(numbers[x], numbers[y]),
            Self::Product(x, y) => Self::Product(numbers[x], numbers[y]),
        }
    }
}

/// A vector of the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// The node that computes it, for messages.
    pub name: String,
    /// Number of elements.
    pub dimension: usize,
    /// How it is computed.
    pub operation: Operation,
}

/// What the client applies after decryption.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Postprocessing {
    /// Nothing.
    #[default]
    None,
    /// Sigmoid of each element.
    Sigmoid,
    /// Softmax of the vector.
    Softmax,
}

impl Postprocessing {
    /// Its name in the manifest.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Sigmoid => "sigmoid",
            Self::Softmax => "softmax",
        }
    }
}

/// A model.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// Shape of the input tensor.
    pub input_shape: Vec<usize>,
    /// The values in order; the first is the input, the last the output.
    pub values: Vec<Value>,
    /// What is left to the client.
    pub postprocessing: Postprocessing,
}

impl Graph {
    /// Index of the output.
    #[must_use]
    pub fn output(&self) -> usize {
        self.values.len() - 1
    }

    /// How many operations read each value; the output is read once more.
    #[must_use]
    pub fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.values.len()];
        self.values
            .iter()
            .flat_map(|value| value.operation.operands())
            .for_each(|operand| uses[operand] += 1);
        uses[self.output()] += 1;
        uses
    }

    /// Removes values that the output does not depend on.
    #[must_use]
    pub fn without_unused(self) -> Self {
        let mut needed = vec![false; self.values.len()];
        needed[0] = true;
        needed[self.output()] = true;
        for index in (0..self.values.len()).rev().filter(|&i| i > 0) {
            if needed[index] {
                self.values[index]
                    .operation
                    .operands()
                    .into_iter()
                    .for_each(|operand| needed[operand] = true);
            }
        }
        let mut renumbered = Vec::with_capacity(needed.len());
        let mut count = 0;
        for &needed in &needed {
            renumbered.push(count);
            count += usize::from(needed);
        }
        let kept = self.values.into_iter().zip(&needed).filter(|(_, needed)| **needed);
        let values =
            kept.map(|(value, _)| Value { operation: value.operation.renumbered(&renumbered), ..value });
        let values = values.collect();
        Self { values, ..self }
    }
}
