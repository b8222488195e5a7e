//! The instruction set. Owns the shape of a program; what is wrong with one is in `check`, what
//! it computes in `interpreter`.

use alloc::{vec, vec::Vec};

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

/// One step of a [`Program`]: reads registers, defines the next ones.
///
/// `l` is the level of the operand, `rotate` moves slots to the left. Indices point into the
/// tables of the program.
#[derive(Clone, Debug, PartialEq)]
pub enum Instruction {
    /// `outs = transforms[transform](inputs)`, all inputs at level l, all outputs at l − 1. Defines as many
    /// registers as there are outputs.
    LinearTransform {
        /// Operands.
        inputs: Vec<Register>,
        /// Number of outputs.
        outputs: u32,
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
    /// Its name, as manifests write it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::LinearTransform { .. } => "linear_transform",
            Self::RotateSum { .. } => "rotate_sum",
            Self::AddPlain { .. } => "add_plain",
            Self::MultiplyPlain { .. } => "multiply_plain",
            Self::Add { .. } => "add",
            Self::Subtract { .. } => "subtract",
            Self::Multiply { .. } => "multiply",
            Self::Polynomial { .. } => "polynomial",
            Self::DropLevel { .. } => "drop_level",
            Self::Rotate { .. } => "rotate",
        }
    }

    /// The linear transform of one register to one.
    #[must_use]
    pub fn transform(input: Register, transform: u32) -> Self {
        Self::LinearTransform { inputs: vec![input], outputs: 1, transform }
    }

    /// The registers that the instruction reads, in order; one may come twice.
    pub fn operands(&self) -> impl Iterator<Item = Register> + '_ {
        let (several, left, right): (&[Register], _, _) = match self {
            Self::LinearTransform { inputs, .. } => (inputs, None, None),
            Self::RotateSum { input, .. }
            | Self::AddPlain { input, .. }
            | Self::MultiplyPlain { input, .. }
            | Self::Polynomial { input, .. }
            | Self::DropLevel { input, .. }
            | Self::Rotate { input, .. } => (&[], Some(*input), None),
            Self::Add { left, right } | Self::Subtract { left, right } | Self::Multiply { left, right } => {
                (&[], Some(*left), Some(*right))
            }
        };
        several.iter().copied().chain(left).chain(right)
    }

    /// How many registers the instruction defines.
    #[must_use]
    pub const fn results(&self) -> u32 {
        match self {
            Self::LinearTransform { outputs, .. } => *outputs,
            _ => 1,
        }
    }
}

/// A compiled model: straight-line code over vectors of slots.
///
/// With a batch, the slots of a ciphertext are those of so many samples, interleaved: slot `s·batch + b` is
/// slot s of sample b. The program is written for one of them: its slots are `N/2/batch`.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// Samples of a ciphertext, a power of two.
    pub batch: u32,
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
        let results = self.instructions.iter().map(|instruction| instruction.results() as usize);
        results.fold(self.inputs as usize, usize::saturating_add)
    }

    /// For each register, the instruction that reads it last; outputs are never read last.
    pub(crate) fn last_uses(&self) -> Vec<Option<usize>> {
        let mut last = vec![None; self.registers()];
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
