//! Programs over ciphertexts: what a compiled model is, and its evaluation in the clear and encrypted.
//!
//! Owns linear transforms, polynomials, the instruction set, and the two machines that run it;
//! knows neither where a program came from nor how it is stored. Invariant: between two
//! instructions a register at level l has scale exactly [`Params::scale_at`](crate::Params::scale_at)`(l)`.

// what a program is made of
mod layout;
mod polynomial;
mod transform;

// programs, and what can be wrong with them
mod program;

mod error;

// what running one takes, known before it runs
mod plan;

mod schedule;

mod check;

mod factors;

mod memory;

// running one in the clear
mod interpreter;

mod clear;

// running one on ciphertexts
mod key_source;

mod prepared;

mod encrypted;

pub use check::ProgramFacts;
pub use error::{InstructionError, ProgramError};
pub use factors::FactorEncoding;
pub use key_source::KeySource;
pub use layout::{LayoutAxis, LayoutError, SlotLayout};
pub use polynomial::{Polynomial, PolynomialBasis, PolynomialError};
pub use prepared::PreparedProgram;
pub use program::{Instruction, Program, Register};
pub use transform::{Diagonal, LinearTransform, TransformError};
