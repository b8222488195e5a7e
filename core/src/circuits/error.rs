//! What can be wrong with a program: every refusal names the place and what was expected.

use core::fmt;

use super::{polynomial::PolynomialError, program::Register, transform::TransformError};
use crate::scheme::Level;

/// Why a [`Program`](super::Program) is refused.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ProgramError {
    /// There is no input, or there are too many.
    InputCount {
        /// Largest accepted number.
        max: u32,
        /// What was given.
        found: u32,
    },
    /// There is no output.
    NoOutput,
    /// The batch is not a power of two that divides the number of slots.
    Batch {
        /// Number of slots.
        slots: usize,
        /// What was given.
        found: u32,
    },
    /// There are more registers than any model needs.
    Registers {
        /// Largest accepted number.
        max: usize,
        /// What was found.
        found: usize,
    },
    /// The inputs are at a level that the parameters do not have.
    InputLevel {
        /// Highest level of the parameters.
        max: Level,
        /// What was given.
        found: Level,
    },
    /// An output is not a register.
    Output {
        /// Position among the outputs.
        output: usize,
        /// Number of registers.
        registers: usize,
        /// The register asked for.
        found: Register,
    },
    /// An entry of the transforms is refused.
    Transform {
        /// Its index.
        transform: usize,
        /// Why.
        reason: TransformError,
    },
    /// The length of a constant does not divide the number of slots.
    ConstantPeriod {
        /// Its index.
        constant: usize,
        /// Number of slots.
        slots: usize,
        /// Its length.
        found: usize,
    },
    /// A value of a constant is infinite or not a number.
    ConstantNotFinite {
        /// Its index among the constants.
        constant: usize,
        /// Where in the constant.
        index: usize,
    },
    /// An entry of the polynomials is refused.
    Polynomial {
        /// Its index.
        polynomial: usize,
        /// Why.
        reason: PolynomialError,
    },
    /// An instruction is refused.
    Instruction {
        /// Its index.
        instruction: usize,
        /// Why.
        reason: InstructionError,
    },
    /// The number of vectors given for evaluation is not the number of inputs.
    WrongInputs {
        /// Inputs of the program.
        expected: usize,
        /// Vectors given.
        found: usize,
    },
    /// A vector given for evaluation does not have one value per slot.
    WrongInputLength {
        /// Which input.
        input: usize,
        /// Number of slots.
        expected: usize,
        /// Its length.
        found: usize,
    },
}

/// Why an [`Instruction`](super::Instruction) is refused.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum InstructionError {
    /// It reads a register that is not defined yet.
    UnknownRegister {
        /// How many are defined.
        defined: usize,
        /// The register asked for.
        found: Register,
    },
    /// It names an entry that its table does not have.
    UnknownEntry {
        /// Entries of the table.
        count: usize,
        /// The index asked for.
        found: u32,
    },
    /// The transform it names has not its number of inputs and outputs.
    Shape {
        /// Why.
        reason: TransformError,
    },
    /// A rotation is not below the number of slots.
    Rotation {
        /// Number of slots.
        slots: usize,
        /// The rotation.
        found: u32,
    },
    /// The operands are at different levels.
    LevelMismatch {
        /// Level of the left operand.
        left: Level,
        /// Level of the right operand.
        right: Level,
    },
    /// It takes more levels than the operand has.
    LevelExhausted {
        /// Levels needed.
        needed: u32,
        /// Level of the operand.
        found: Level,
    },
    /// A level cannot be dropped upwards.
    LevelAbove {
        /// Level of the operand.
        max: Level,
        /// The level asked for.
        found: Level,
    },
    /// A factor or summand times its scale does not fit 62 bits.
    ValueOutOfRange {
        /// log₂ of the largest product, infinite when there is none.
        log2: f64,
    },
    /// Keeping the scale of every level exact needs a factor with a scale outside 2^10 to 2^61.
    ScaleOutOfRange {
        /// The scale.
        found: f64,
    },
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InputCount { max, found } => write!(f, "a program takes 1 to {max} inputs, found {found}"),
            Self::NoOutput => f.write_str("the program has no output"),
            Self::Batch { slots, found } => {
                write!(f, "a batch is a power of two that divides {slots} slots, found {found}")
            }
            Self::Registers { max, found } => {
                write!(f, "a program has at most {max} registers, found {found}")
            }
            Self::InputLevel { max, found } => {
                write!(f, "the inputs are at level {found}, but the highest level of the parameters is {max}")
            }
            Self::Output { output, registers, found } => {
                write!(f, "output {output} is register {found}, but there are {registers} registers")
            }
            Self::Transform { transform, reason } => write!(f, "transform {transform}: {reason}"),
            Self::ConstantPeriod { constant, slots, found } => {
                write!(f, "constant {constant} has {found} values, which does not divide {slots} slots")
            }
            Self::ConstantNotFinite { constant, index } => {
                write!(f, "value {index} of constant {constant} is not a finite number")
            }
            Self::Polynomial { polynomial, reason } => write!(f, "polynomial {polynomial}: {reason}"),
            Self::Instruction { instruction, reason } => write!(f, "instruction {instruction}: {reason}"),
            Self::WrongInputs { expected, found } => {
                write!(f, "the program takes {expected} inputs, found {found}")
            }
            Self::WrongInputLength { input, expected, found } => {
                write!(f, "input {input} has {found} values, expected one for each of {expected} slots")
            }
        }
    }
}

impl fmt::Display for InstructionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownRegister { defined, found } => {
                write!(f, "it reads register {found}, but only {defined} are defined before it")
            }
            Self::UnknownEntry { count, found } => write!(f, "it names entry {found} of a table of {count}"),
            Self::Shape { reason } => write!(f, "the transform does not fit it: {reason}"),
            Self::Rotation { slots, found } => {
                write!(f, "rotation {found} is not below {slots}, the number of slots")
            }
            Self::LevelMismatch { left, right } => write!(
                f,
                "the operands are at levels {left} and {right}; drop the higher one to the lower level first"
            ),
            Self::LevelExhausted { needed, found } => {
                write!(
                    f,
                    "it takes {needed} levels, but the operand is at level {found}; use a longer modulus chain"
                )
            }
            Self::LevelAbove { max, found } => {
                write!(f, "level {found} is above {max}, the level of the operand")
            }
            Self::ValueOutOfRange { log2 } => {
                write!(f, "a value times its scale takes {log2:.1} bits, but only 62 fit")
            }
            Self::ScaleOutOfRange { found } => write!(
                f,
                "keeping scales exact needs a factor of scale {found}, outside 2^10 to 2^61; choose primes nearer to the scale"
            ),
        }
    }
}

impl core::error::Error for ProgramError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Transform { reason, .. } => Some(reason),
            Self::Polynomial { reason, .. } => Some(reason),
            Self::Instruction { reason, .. } => Some(reason),
            _ => None,
        }
    }
}

impl core::error::Error for InstructionError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Shape { reason } => Some(reason),
            _ => None,
        }
    }
}
