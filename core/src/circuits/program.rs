//! The instruction set. Owns the shape of a program; what is wrong with one is in `check`, what
//! it computes in `interpreter`.

use alloc::vec::Vec;

use super::{polynomial::Polynomial, transform::LinearTransform};
use crate::scheme::Level;

/// The number of a value: first the inputs, then the result of each instruction in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Register(pub u32);

impl Register {
    /// The register as an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl core::fmt::Display for Register {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

/// One step of a [`Program`]: reads registers, defines the next one.
///
/// `l` is the level of the operand, `rotate` moves slots to the left. Indices point into the
/// tables of the program.
#[derive(Clone, Debug, PartialEq)]
pub enum Instruction {
    /// `out = transforms[transform](input)`, level l − 1.
    LinearTransform {
        /// Operand.
        input: Register,
        /// Index of the transform.
        transform: u32,
    },
    /// `out = input`, then for each s of `steps` in order `out += rotate(out, s)`; level l.
    RotateSum {
        /// Operand.
        input: Register,
        /// Rotations to the left, each below the number of slots.
        steps: Vec<u32>,
    },
    /// `out = input + constants[constant]`, level l.
    AddPlain {
        /// Operand.
        input: Register,
        /// Index of the constant.
        constant: u32,
    },
    /// `out = input · constants[constant]`, level l − 1.
    MultiplyPlain {
        /// Operand.
        input: Register,
        /// Index of the constant.
        constant: u32,
    },
    /// `out = left + right`, both at level l.
    Add {
        /// First summand.
        left: Register,
        /// Second summand.
        right: Register,
    },
    /// `out = left − right`, both at level l.
    Subtract {
        /// Minuend.
        left: Register,
        /// Subtrahend.
        right: Register,
    },
    /// `out = left · right`, both at level l, out at l − 1.
    Multiply {
        /// First factor.
        left: Register,
        /// Second factor, possibly the same.
        right: Register,
    },
    /// `out = polynomials[polynomial](input)`, level l − [`depth`](Polynomial::depth).
    Polynomial {
        /// Operand.
        input: Register,
        /// Index of the polynomial.
        polynomial: u32,
    },
    /// `out = input` at `level`, at most l.
    DropLevel {
        /// Operand.
        input: Register,
        /// Level of the result.
        level: Level,
    },
    /// `out = rotate(input, steps)`, level l.
    Rotate {
        /// Operand.
        input: Register,
        /// Rotation to the left, below the number of slots.
        steps: u32,
    },
}

impl Instruction {
    /// The registers that the instruction reads; the same one twice when there is only one.
    #[must_use]
    pub const fn operands(&self) -> [Register; 2] {
        match *self {
            Self::LinearTransform { input, .. }
            | Self::RotateSum { input, .. }
            | Self::AddPlain { input, .. }
            | Self::MultiplyPlain { input, .. }
            | Self::Polynomial { input, .. }
            | Self::DropLevel { input, .. }
            | Self::Rotate { input, .. } => [input, input],
            Self::Add { left, right } | Self::Subtract { left, right } | Self::Multiply { left, right } => {
                [left, right]
            }
        }
    }
}

/// A compiled model: straight-line code over vectors of slots.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// How many registers are inputs.
    pub inputs: u32,
    /// Level of every input, hence scale [`Params::scale_at`](crate::Params::scale_at) of it.
    pub input_level: Level,
    /// The instructions in order.
    pub instructions: Vec<Instruction>,
    /// Linear transforms, by index.
    pub transforms: Vec<LinearTransform>,
    /// Constants by index, each repeated periodically over the slots.
    pub constants: Vec<Vec<f64>>,
    /// Polynomials by index.
    pub polynomials: Vec<Polynomial>,
    /// The registers that are the result.
    pub outputs: Vec<Register>,
}

impl Program {
    /// The number of registers.
    #[must_use]
    pub fn registers(&self) -> usize {
        self.inputs as usize + self.instructions.len()
    }

    /// For each register, the instruction that reads it last; outputs are never read last.
    pub(crate) fn last_uses(&self) -> Vec<Option<usize>> {
        let mut last = alloc::vec![None; self.registers()];
        for (at, instruction) in self.instructions.iter().enumerate() {
            for operand in instruction.operands() {
                last[operand.index()] = Some(at);
            }
        }
        for output in &self.outputs {
            last[output.index()] = Some(usize::MAX);
        }
        last
    }
}
