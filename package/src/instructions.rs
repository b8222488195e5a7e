//! Instructions between the manifest and the core.

use ckks_core::{Instruction, Level, Polynomial, PolynomialBasis, Register};

use crate::manifest::{InstructionEntry, PolynomialEntry};

impl InstructionEntry {
    pub(crate) fn to_instruction(&self) -> Instruction {
        match *self {
            Self::LinearTransform { ref inputs, outputs, transform } => {
                let inputs = inputs.iter().map(|&input| Register(input)).collect();
                Instruction::LinearTransform { inputs, outputs, transform }
            }
            Self::RotateSum { input, ref steps } => {
                Instruction::RotateSum { input: Register(input), steps: steps.clone() }
            }
            Self::AddPlain { input, constant } => Instruction::AddPlain { input: Register(input), constant },
            Self::MultiplyPlain { input, constant } => {
                Instruction::MultiplyPlain { input: Register(input), constant }
            }
            Self::Add { left, right } => Instruction::Add { left: Register(left), right: Register(right) },
            Self::Subtract { left, right } => {
                Instruction::Subtract { left: Register(left), right: Register(right) }
            }
            Self::Multiply { left, right } => {
                Instruction::Multiply { left: Register(left), right: Register(right) }
            }
            Self::Polynomial { input, polynomial } => {
                Instruction::Polynomial { input: Register(input), polynomial }
            }
            Self::DropLevel { input, level } => {
                Instruction::DropLevel { input: Register(input), level: Level(level) }
            }
            Self::Rotate { input, steps } => Instruction::Rotate { input: Register(input), steps },
        }
    }

    pub(crate) fn from_instruction(instruction: &Instruction) -> Self {
        match *instruction {
            Instruction::LinearTransform { ref inputs, outputs, transform } => {
                let inputs = inputs.iter().map(|input| input.0).collect();
                Self::LinearTransform { inputs, outputs, transform }
            }
            Instruction::RotateSum { input, ref steps } => {
                Self::RotateSum { input: input.0, steps: steps.clone() }
            }
            Instruction::AddPlain { input, constant } => Self::AddPlain { input: input.0, constant },
            Instruction::MultiplyPlain { input, constant } => {
                Self::MultiplyPlain { input: input.0, constant }
            }
            Instruction::Add { left, right } => Self::Add { left: left.0, right: right.0 },
            Instruction::Subtract { left, right } => Self::Subtract { left: left.0, right: right.0 },
            Instruction::Multiply { left, right } => Self::Multiply { left: left.0, right: right.0 },
            Instruction::Polynomial { input, polynomial } => Self::Polynomial { input: input.0, polynomial },
            Instruction::DropLevel { input, level } => Self::DropLevel { input: input.0, level: level.0 },
            Instruction::Rotate { input, steps } => Self::Rotate { input: input.0, steps },
        }
    }
}

impl PolynomialEntry {
    pub(crate) fn to_polynomial(&self) -> Polynomial {
        match self {
            Self::Power { coefficients } => {
                Polynomial { basis: PolynomialBasis::Power, coefficients: coefficients.clone() }
            }
            &Self::Chebyshev { low, high, ref coefficients } => Polynomial {
                basis: PolynomialBasis::Chebyshev { low, high },
                coefficients: coefficients.clone(),
            },
        }
    }

    pub(crate) fn from_polynomial(polynomial: &Polynomial) -> Self {
        let coefficients = polynomial.coefficients.clone();
        match polynomial.basis {
            PolynomialBasis::Power => Self::Power { coefficients },
            PolynomialBasis::Chebyshev { low, high } => Self::Chebyshev { low, high, coefficients },
        }
    }
}
