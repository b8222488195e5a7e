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
    /// An element of the input is not a finite number.
    InputValue,
    /// There is no sample, or more than the model takes at once.
    BatchSize {
        /// Largest batch.
        max: usize,
        /// Samples given.
        found: usize,
    },
    /// The published scaling has not one usable factor for all elements of the input, nor one for each.
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
    /// The published number of ciphertexts of an input or an output is none that a client accepts.
    Ciphertexts {
        /// The largest accepted.
        max: usize,
        /// What was published.
        found: usize,
    },
    /// The published gain is none that a client accepts.
    Gain {
        /// What was published.
        found: f64,
    },
}

impl ClientError {
    /// A stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Params(_) => "UNACCEPTABLE_PARAMETERS",
            Self::ParamsId { .. } => "PARAMS_ID_MISMATCH",
            Self::Layout(_)
            | Self::Model(_)
            | Self::Batch { .. }
            | Self::Scaling { .. }
            | Self::Ciphertexts { .. }
            | Self::Gain { .. } => "INVALID_MODEL",
            Self::UnknownKey { .. } => "UNKNOWN_KEY_NAME",
            Self::InputDimension { .. } => "INPUT_DIMENSION",
            Self::InputValue => "INPUT_VALUE",
            Self::BatchSize { .. } => "BATCH_SIZE",
            Self::Decode(
                DecodeError::LevelMismatch { .. }
                | DecodeError::ScaleMismatch { .. }
                | DecodeError::CountMismatch { .. },
            ) => "INVALID_RESULT",
            Self::Decode(_) => "INVALID_BYTES",
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
            Self::InputValue => f.write_str("an input value is not a finite number"),
            Self::BatchSize { max, found } => {
                write!(f, "the model takes 1 to {max} samples at once, found {found}")
            }
            Self::Scaling { expected, found } => {
                write!(
                    f,
                    "the model publishes {found} factors of size 2^-64 to 2^64 for its input, expected 1 or {expected}"
                )
            }
            Self::Batch { slots, found } => {
                write!(f, "the model's batch of {found} is not a power of two that divides {slots} slots")
            }
            Self::Decode(error) => error.fmt(f),
            Self::Ciphertexts { max, found } => {
                write!(f, "the model states {found} ciphertexts, expected 1 to {max}")
            }
            Self::Gain { found } => {
                write!(f, "the model's gain is {found:e}, expected a number of size 2^-64 to 2^64")
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
