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
        /// Slots it needs.
        slots: usize,
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
            Self::TooDeep { levels, slots } => write!(
                f,
                "no ring degree up to 2^15 carries {levels} levels and {slots} slots at 128-bit security; lower --precision, use polynomials of lower degree, or fewer layers"
            ),
            Self::Program { reason } => write!(f, "the compiled program is refused: {reason}"),
        }
    }
}

impl std::error::Error for CompileError {}
