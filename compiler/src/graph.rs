//! A model as operations on vectors. Tensors are flattened in row-major order; whatever linear
//! operator wrote it, an affine map is a sparse matrix for each value that it reads.

use ckks_client::Postprocessing;
use ckks_core::Polynomial;

use crate::{function::Function, sparse::SparseMatrix};

/// `Σ matrix·source + offset`.
#[derive(Clone, Debug, PartialEq)]
pub struct Affine {
    /// The values that are read, each once, and what each is multiplied with.
    pub terms: Vec<(usize, SparseMatrix)>,
    /// One summand per element.
    pub offset: Vec<f64>,
}

impl Affine {
    /// `matrix·source`.
    #[must_use]
    pub fn linear(source: usize, matrix: SparseMatrix) -> Self {
        let offset = vec![0.0; matrix.rows()];
        Self { terms: vec![(source, matrix)], offset }
    }

    /// Adds `matrix·source`.
    pub(crate) fn add(&mut self, source: usize, matrix: SparseMatrix) {
        match self.terms.iter_mut().find(|(known, _)| *known == source) {
            Some((_, sum)) => *sum = sum.plus(&matrix),
            None => self.terms.push((source, matrix)),
        }
    }

    /// Whether it only adds and subtracts what it reads and constants, which takes no level.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.terms.iter().all(|(_, matrix)| matches!(matrix.as_scalar(), Some(1.0 | -1.0)))
            && self.terms.iter().any(|(_, matrix)| matrix.as_scalar() == Some(1.0))
    }
}

/// How a value is computed; numbers are indices of values before it.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// The input of the model.
    Input,
    /// An affine map of values.
    Affine(Affine),
    /// A function of each element.
    Map(usize, Function),
    /// A polynomial of each element.
    Polynomial(usize, Polynomial),
    /// Elementwise product.
    Product(usize, usize),
}

impl Operation {
    /// The values it reads.
    #[must_use]
    pub fn operands(&self) -> Vec<usize> {
        match self {
            Self::Input => vec![],
            Self::Affine(affine) => affine.terms.iter().map(|(source, _)| *source).collect(),
            Self::Map(x, _) | Self::Polynomial(x, _) => vec![*x],
            Self::Product(x, y) => vec![*x, *y],
        }
    }

    /// The operation reading `numbers[x]` wherever it read x.
    pub(crate) fn renumbered(mut self, numbers: &[usize]) -> Self {
        match &mut self {
            Self::Input => {}
            Self::Affine(affine) => {
                affine.terms.iter_mut().for_each(|(source, _)| *source = numbers[*source])
            }
            Self::Map(x, _) | Self::Polynomial(x, _) => *x = numbers[*x],
            Self::Product(x, y) => (*x, *y) = (numbers[*x], numbers[*y]),
        }
        self
    }
}

/// A tensor of the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// The node that computes it, for messages.
    pub name: String,
    /// Its extents without the batch axis.
    pub shape: Vec<usize>,
    /// How it is computed.
    pub operation: Operation,
}

impl Value {
    /// Number of elements.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.shape.iter().product()
    }
}

/// A model.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// The values in order; the first is the input, the last the output.
    pub values: Vec<Value>,
    /// What is left to the client.
    pub postprocessing: Postprocessing,
    /// Names of the output's elements, if the file has some.
    pub labels: Vec<String>,
    /// Which output of the file it is; others say less of the same value.
    pub position: usize,
}

impl Graph {
    /// A model whose output is used as it is.
    #[must_use]
    pub fn new(values: Vec<Value>) -> Self {
        Self { values, postprocessing: Postprocessing::None, labels: Vec::new(), position: 0 }
    }

    /// Index of the output.
    #[must_use]
    pub fn output(&self) -> usize {
        self.values.len() - 1
    }

    /// How many times operations read each value; the output is read once more.
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
        for index in (1..self.values.len()).rev() {
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
        Self { values: values.collect(), ..self }
    }
}
