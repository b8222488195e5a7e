//! What can go wrong on the client. Nothing here carries an input value or a secret.

use std::fmt;

use ckks_core::{DecodeError, Error, LayoutError, ParamsError};

/// A mistake of the caller, or a server that published or sent something unusable.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ClientError {
    /// The published parameters are not acceptable.
    Params(ParamsError),
    /// The published identifier is not that of the published parameters.
    ParamsId {
        /// What the parameters hash to.
        expected: String,
        /// What was published.
        found: String,
    },
    /// The published layout of inputs or outputs does not fit the slots.
    Layout(LayoutError),
    /// A published level does not exist, or a published Galois element is none.
    Model(Error),
    /// The model does not need a key of this name.
    UnknownKey {
        /// The name.
        found: String,
    },
    /// The input vector has the wrong number of elements.
    InputDimension {
        /// Elements the model takes.
        expected: usize,
        /// Elements given.
        found: usize,
    },
    /// An element of the input is not a finite number, or too large for the scale.
    InputValue,
    /// There is no sample, or more than the model takes at once.
    BatchSize {
        /// Largest batch.
        max: usize,
        /// Samples given.
        found: usize,
    },
    /// The published scaling has not one usable factor for each element of the input.
    Scaling {
        /// Elements of the input.
        expected: usize,
        /// Usable factors published.
        found: usize,
    },
    /// The published batch does not divide the slots.
    Batch {
        /// Number of slots.
        slots: usize,
        /// What was published.
        found: usize,
    },
    /// Bytes from the server, or a stored secret, do not decode.
    Decode(DecodeError),
    /// The result is at another level than the model states.
    ResultLevel {
        /// The level stated.
        expected: u8,
        /// The level found.
        found: u8,
    },
    /// The result has the wrong number of ciphertexts.
    ResultCount {
        /// The number stated.
        expected: usize,
        /// The number found.
        found: usize,
    },
}

impl ClientError {
    /// A stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Params(_) => "UNACCEPTABLE_PARAMETERS",
            Self::ParamsId { .. } => "PARAMS_ID_MISMATCH",
            Self::Layout(_) | Self::Model(_) | Self::Batch { .. } | Self::Scaling { .. } => "INVALID_MODEL",
            Self::UnknownKey { .. } => "UNKNOWN_KEY_NAME",
            Self::InputDimension { .. } => "INPUT_DIMENSION",
            Self::InputValue => "INPUT_VALUE",
            Self::BatchSize { .. } => "BATCH_SIZE",
            Self::Decode(_) => "INVALID_BYTES",
            Self::ResultLevel { .. } | Self::ResultCount { .. } => "INVALID_RESULT",
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Params(error) => write!(f, "the server's parameters are not acceptable: {error}"),
            Self::ParamsId { expected, found } => write!(
                f,
                "the server's parameters hash to {expected}, but it calls them {found}; do not use this server"
            ),
            Self::Layout(error) => write!(f, "the model's layout is invalid: {error}"),
            Self::Model(error) => write!(f, "the model's description is invalid: {error}"),
            Self::UnknownKey { found } => write!(f, "the model needs no key named {found:?}"),
            Self::InputDimension { expected, found } => {
                write!(f, "the model takes {expected} values, found {found}")
            }
            Self::InputValue => {
                f.write_str("an input value is not a finite number, or too large for the model's scale")
            }
            Self::BatchSize { max, found } => {
                write!(f, "the model takes 1 to {max} samples at once, found {found}")
            }
            Self::Scaling { expected, found } => {
                write!(f, "the model scales {found} elements of its input by finite numbers, not {expected}")
            }
            Self::Batch { slots, found } => {
                write!(f, "the model's batch of {found} is not a power of two that divides {slots} slots")
            }
            Self::Decode(error) => error.fmt(f),
            Self::ResultLevel { expected, found } => {
                write!(f, "expected a result at level {expected}, found level {found}")
            }
            Self::ResultCount { expected, found } => {
                write!(f, "expected {expected} ciphertexts in the result, found {found}")
            }
        }
    }
}

impl std::error::Error for ClientError {}

impl From<DecodeError> for ClientError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}
