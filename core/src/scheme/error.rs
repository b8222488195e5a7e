//! What the caller of an operation can get wrong.

use core::fmt;

use super::{
    galois::GaloisElement,
    level::{Level, Scale},
    params::ParamsId,
};

/// A caller's mistake: levels, scales or keys that do not fit together.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// A level above the parameter set's highest.
    NoSuchLevel {
        /// The highest level.
        max: Level,
        /// The level asked for.
        found: Level,
    },
    /// Two operands, or an operand and a key, are at different levels.
    LevelMismatch {
        /// The level needed.
        expected: Level,
        /// The level found.
        found: Level,
    },
    /// Two operands have different scales.
    ScaleMismatch {
        /// The scale needed.
        expected: Scale,
        /// The scale found.
        found: Scale,
    },
    /// A rescaling was asked for at level 0.
    LevelExhausted,
    /// A key covers fewer levels than the operand has.
    KeyLevelTooLow {
        /// Level of the operand.
        needed: Level,
        /// Level of the key.
        found: Level,
    },
    /// The set of evaluation keys has no key for this Galois element.
    MissingGaloisKey {
        /// The element.
        element: GaloisElement,
    },
    /// The set of evaluation keys has no relinearization key.
    MissingRelinearizationKey,
    /// More values than slots.
    TooManyValues {
        /// Number of slots.
        slots: usize,
        /// Number of values given.
        found: usize,
    },
    /// A value times its scale does not fit the 62 bits of an encoded coefficient, or is not finite.
    ///
    /// Which one is not told: values may be secret.
    ValueOutOfRange {
        /// The scale that values were multiplied with.
        scale: Scale,
    },
    /// An even or too large number was offered as a Galois element.
    InvalidGaloisElement {
        /// The number.
        found: u32,
    },
    /// More low-order bits of a result were to be cut off than its level allows.
    TooManyDroppedBits {
        /// Two less than the prime has bits; 0 at levels of several limbs.
        max: u8,
        /// What was asked for.
        found: u8,
    },
    /// An operand or a key belongs to another parameter set.
    ParamsMismatch {
        /// The parameter set worked with.
        expected: ParamsId,
        /// That of the operand.
        found: ParamsId,
    },
    /// The number of inputs is not what the program takes.
    InputCount {
        /// Inputs of the program.
        expected: usize,
        /// Inputs given.
        found: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchLevel { max, found } => {
                write!(f, "level {found} does not exist, the highest is {max}")
            }
            Self::LevelMismatch { expected, found } => write!(
                f,
                "expected level {expected}, found level {found}; drop the higher operand to the lower level first"
            ),
            Self::ScaleMismatch { expected, found } => write!(
                f,
                "expected scale {expected}, found {found}; encode the plaintext at the ciphertext's scale or rescale first"
            ),
            Self::LevelExhausted => f.write_str("no level is left to rescale; use a longer modulus chain"),
            Self::KeyLevelTooLow { needed, found } => {
                write!(
                    f,
                    "expected a key for level {needed} or above, found one for level {found}; generate it at a higher level or drop the ciphertext"
                )
            }
            Self::MissingGaloisKey { element } => write!(
                f,
                "no key for Galois element {element}; generate it with CompressedGaloisKey::generate and insert it"
            ),
            Self::MissingRelinearizationKey => f.write_str(
                "no relinearization key; generate it with CompressedRelinearizationKey::generate and set it",
            ),
            Self::TooManyValues { slots, found } => write!(f, "{found} values do not fit {slots} slots"),
            Self::ValueOutOfRange { scale } => write!(
                f,
                "expected finite values that fit 62 bits when they are multiplied with the scale {scale}, found another; use smaller values or a smaller scale"
            ),
            Self::InvalidGaloisElement { found } => {
                write!(f, "{found} is not a Galois element: it must be odd and below 2N")
            }
            Self::TooManyDroppedBits { max, found } => {
                write!(f, "{found} bits cannot be cut off a result at this level, at most {max} can")
            }
            Self::ParamsMismatch { expected, found } => write!(
                f,
                "expected an operand of parameter set {expected}, found one of {found}; keys, plaintexts and ciphertexts belong to the parameters they were made with"
            ),
            Self::InputCount { expected, found } => {
                write!(f, "the program takes {expected} inputs, found {found}")
            }
        }
    }
}

impl core::error::Error for Error {}
