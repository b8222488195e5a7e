//! What can be wrong with bytes from elsewhere.

use core::fmt;

use super::header::Kind;
use crate::scheme::{Level, ParamsError, ParamsId, Scale};

/// Why bytes are not what they should be. Holds numbers of the header and positions, never contents.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The first four bytes are not `CKKS`.
    WrongMagic {
        /// The bytes found; fewer than four are filled up with zeros.
        found: [u8; 4],
    },
    /// A format version that this decoder does not know.
    UnsupportedVersion {
        /// The version it knows.
        expected: u8,
        /// The version found.
        found: u8,
    },
    /// Something else than what was asked for.
    WrongKind {
        /// What was asked for.
        expected: Kind,
        /// The kind byte found.
        found: u8,
    },
    /// Too few or too many bytes for what the header announces.
    WrongLength {
        /// The exact length.
        expected: usize,
        /// The length found.
        found: usize,
    },
    /// Made under other parameters.
    ParamsMismatch {
        /// The identifier of the parameters in use.
        expected: ParamsId,
        /// The identifier found.
        found: ParamsId,
    },
    /// A level that the parameters do not have.
    LevelOutOfRange {
        /// The highest level.
        max: Level,
        /// The level found.
        found: Level,
    },
    /// Another level than the one asked for.
    LevelMismatch {
        /// The level asked for.
        expected: Level,
        /// The level found.
        found: Level,
    },
    /// A scale that is not a finite number of at least 1.
    InvalidScale {
        /// The bits found, as an IEEE 754 double.
        found: u64,
    },
    /// Another scale than that of the level.
    ScaleMismatch {
        /// The level's scale.
        expected: Scale,
        /// The scale found.
        found: Scale,
    },
    /// A header field that this kind does not use is not zero.
    ReservedNotZero {
        /// Offset of the first byte of the field.
        offset: usize,
    },
    /// A residue is not below its prime.
    ResidueOutOfRange {
        /// Number of the limb in the order of the bytes.
        limb: usize,
        /// Index of the residue in the limb.
        index: usize,
    },
    /// Not an odd number below 2N, or 1.
    InvalidGaloisElement {
        /// The number found.
        found: u32,
    },
    /// A number of ciphertexts that is zero or above the limit.
    InvalidCount {
        /// The highest number accepted.
        max: u32,
        /// The number found.
        found: u32,
    },
    /// Another number of ciphertexts than the one asked for.
    CountMismatch {
        /// The number asked for.
        expected: u32,
        /// The number found.
        found: u32,
    },
    /// More low-order bits cut off than the level allows.
    InvalidDroppedBits {
        /// The highest number accepted.
        max: u8,
        /// The number found.
        found: u8,
    },
    /// A ciphertext with `c₁ = 0`, which hides nothing.
    Transparent,
    /// The encoding is right but the parameters are not acceptable.
    Params(ParamsError),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongMagic { found } => {
                write!(
                    f,
                    "expected the bytes 43 4b 4b 53 (\"CKKS\") at the start, found {found:02x?}; is the payload encoding right?"
                )
            }
            Self::UnsupportedVersion { expected, found } => {
                write!(f, "expected format version {expected}, found {found}; use a client of this version")
            }
            Self::WrongKind { expected, found } => match Kind::from_byte(*found) {
                Some(kind) => write!(f, "expected {expected}, found {kind}"),
                None => write!(f, "expected {expected}, found the unknown kind {found}"),
            },
            Self::WrongLength { expected, found } => {
                write!(f, "expected exactly {expected} bytes, found {found}; was it truncated or extended?")
            }
            Self::ParamsMismatch { expected, found } => write!(
                f,
                "expected parameters {expected}, found {found}; fetch the model's current parameters and encrypt again"
            ),
            Self::LevelOutOfRange { max, found } => {
                write!(f, "level {found} does not exist, the highest is {max}")
            }
            Self::LevelMismatch { expected, found } => {
                write!(
                    f,
                    "expected level {expected}, found {found}; encode at the level that the model states"
                )
            }
            Self::InvalidScale { found } => {
                write!(f, "the scale {found:#018x} is not a finite double of at least 1")
            }
            Self::ScaleMismatch { expected, found } => write!(
                f,
                "expected scale {} exactly, found {}; encode at the scale that the parameters give for the level",
                expected.value(),
                found.value()
            ),
            Self::ReservedNotZero { offset } => {
                write!(f, "the header field at offset {offset} must be zero for this kind")
            }
            Self::ResidueOutOfRange { limb, index } => {
                write!(f, "residue {index} of limb {limb} is not below its prime")
            }
            Self::InvalidGaloisElement { found } => {
                write!(f, "{found} is not a Galois element: it must be odd, above 1 and below 2N")
            }
            Self::InvalidCount { max, found } => write!(f, "expected 1 to {max} ciphertexts, found {found}"),
            Self::CountMismatch { expected, found } => {
                write!(f, "expected {expected} ciphertexts, found {found}")
            }
            Self::InvalidDroppedBits { max, found } => {
                write!(f, "expected at most {max} dropped bits at this level, found {found}")
            }
            Self::Transparent => {
                f.write_str("c1 is zero, so the ciphertext hides nothing; encrypt the input")
            }
            Self::Params(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for DecodeError {}
