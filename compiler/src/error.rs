//! Why a model is not compiled: the node, the operator, the reason, what to do about it.

use std::fmt;

/// A refusal.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CompileError {
    /// The file is not an ONNX model, or is damaged.
    Malformed {
        /// What is wrong.
        reason: String,
    },
    /// A node cannot be compiled.
    Unsupported {
        /// Name of the node, or of its output when it has none.
        node: String,
        /// Its operator.
        operator: String,
        /// Why not.
        reason: String,
        /// What to do about it.
        advice: String,
    },
    /// Samples cannot be read or do not fit the model.
    Samples {
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// No parameter set within the security table carries the model.
    TooDeep {
        /// Levels it needs.
        levels: usize,
    },
    /// A vector or a layer does not fit the slots of the largest ring.
    TooWide {
        /// The node that computes it.
        node: String,
        /// Its elements.
        dimension: usize,
        /// Slots of the ring.
        slots: usize,
    },
    /// The batch asked for has more samples than a ciphertext has slots.
    Batch {
        /// Slots of the ring.
        most: usize,
        /// What was asked for.
        found: usize,
    },
    /// The labels given do not name the outputs.
    Labels {
        /// Outputs of the model.
        expected: usize,
        /// Labels given.
        found: usize,
    },
    /// The feature names given do not name the elements of the input.
    FeatureNames {
        /// Elements of the input.
        expected: usize,
        /// Names given.
        found: usize,
        /// How many of them differ.
        distinct: usize,
    },
    /// The preprocessing given does not fit the input.
    Preprocessing {
        /// Extent of the first axis of an input that has several.
        channels: usize,
        /// Elements of the input.
        dimension: usize,
        /// Finite numbers given.
        found: usize,
    },
    /// The plaintext runtime refuses the file.
    Runtime {
        /// What it says.
        reason: String,
    },
    /// The compiled program was refused by the core: a fault of the compiler.
    Program {
        /// Why.
        reason: String,
    },
}

impl CompileError {
    pub(crate) fn malformed(reason: impl Into<String>) -> Self {
        Self::Malformed { reason: reason.into() }
    }

    pub(crate) fn program(reason: impl ToString) -> Self {
        Self::Program { reason: reason.to_string() }
    }
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { reason } => write!(f, "not a usable ONNX file: {reason}"),
            Self::Unsupported { node, operator, reason, advice } => {
                write!(f, "node {node:?} ({operator}): {reason}; {advice}")
            }
            Self::Samples { file, reason } => write!(f, "{file}: {reason}"),
            Self::TooDeep { levels } => write!(
                f,
                "no ring degree that was tried carries {levels} levels at 128-bit security; lower --precision or --max-degree, leave out --log-degree, or use fewer layers"
            ),
            Self::TooWide { node, dimension, slots } => write!(
                f,
                "node {node:?}: {dimension} elements take more ciphertexts of {slots} slots than are supported; use narrower layers or a smaller --batch"
            ),
            Self::Batch { most, found } => {
                write!(f, "a batch of {found} samples does not fit {most} slots; use a smaller --batch")
            }
            Self::Labels { expected, found } => {
                write!(f, "the model has {expected} outputs, but {found} labels were given; name all or none")
            }
            Self::FeatureNames { expected, found, distinct } => write!(
                f,
                "the model has {expected} inputs, but {found} feature names were given, {distinct} of them different; name all, each once, or none"
            ),
            Self::Preprocessing { channels, dimension, found } => write!(
                f,
                "{found} finite numbers were given to prepare the input with; give one for all elements, one for each of its {channels} channels, or one for each of its {dimension} elements"
            ),
            Self::Runtime { reason } => write!(f, "the plaintext runtime cannot run the model: {reason}"),
            Self::Program { reason } => write!(f, "the compiled program is refused: {reason}"),
        }
    }
}

impl std::error::Error for CompileError {}
