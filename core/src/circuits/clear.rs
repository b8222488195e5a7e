//! The cleartext machine: slots as plain numbers. The slow, obvious twin of encrypted evaluation.

use alloc::{borrow::ToOwned, vec::Vec};
use core::convert::Infallible;

use super::{
    error::ProgramError,
    interpreter::{self, Machine},
    program::Program,
};
use crate::scheme::Level;

struct ClearMachine<'a>(&'a Program);

impl Program {
    /// Runs the program on plain numbers, one vector of slots per input: those of one sample.
    ///
    /// Levels play no part, so the program may be one that no parameters have enough levels for.
    ///
    /// # Errors
    /// What [`Program::check`] refuses, but for levels and scales;
    /// [`ProgramError::WrongInputs`] and [`ProgramError::WrongInputLength`].
    pub fn evaluate_clear(&self, slots: usize, inputs: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, ProgramError> {
        self.check_structure(slots)?;
        let expected = self.inputs as usize;
        if inputs.len() != expected {
            return Err(ProgramError::WrongInputs { expected, found: inputs.len() });
        }
        if let Some((input, values)) = inputs.iter().enumerate().find(|(_, values)| values.len() != slots) {
            return Err(ProgramError::WrongInputLength { input, expected: slots, found: values.len() });
        }
        interpreter::run(&ClearMachine(self), self, inputs).map_err(|never| match never {})
    }
}

type Slots = Vec<f64>;

fn zip(left: &[f64], right: impl IntoIterator<Item = f64>, operation: impl Fn(f64, f64) -> f64) -> Slots {
    left.iter().zip(right).map(|(&a, b)| operation(a, b)).collect()
}

fn rotated(input: &[f64], steps: u32) -> impl Iterator<Item = f64> + '_ {
    input.iter().copied().cycle().skip(steps as usize)
}

impl ClearMachine<'_> {
    fn constant(&self, constant: u32) -> impl Iterator<Item = f64> + '_ {
        self.0.constants[constant as usize].iter().copied().cycle()
    }
}

impl Machine for ClearMachine<'_> {
    type Value = Slots;
    type Error = Infallible;

    fn linear_transform(
        &self,
        inputs: &[&Slots],
        outputs: u32,
        transform: u32,
    ) -> Result<Vec<Slots>, Infallible> {
        let inputs: Vec<&[f64]> = inputs.iter().map(|input| input.as_slice()).collect();
        Ok(self.0.transforms[transform as usize].apply(&inputs, outputs as usize))
    }

    fn rotate_sum(&self, input: &Slots, steps: &[u32]) -> Result<Slots, Infallible> {
        let add_rotated = |sum: Slots, &steps: &u32| zip(&sum, rotated(&sum, steps), |a, b| a + b);
        Ok(steps.iter().fold(input.to_owned(), add_rotated))
    }

    fn add_plain(&self, input: &Slots, constant: u32) -> Result<Slots, Infallible> {
        Ok(zip(input, self.constant(constant), |a, b| a + b))
    }

    fn multiply_plain(&self, input: &Slots, constant: u32) -> Result<Slots, Infallible> {
        Ok(zip(input, self.constant(constant), |a, b| a * b))
    }

    fn add(&self, left: &Slots, right: &Slots) -> Result<Slots, Infallible> {
        Ok(zip(left, right.iter().copied(), |a, b| a + b))
    }

    fn subtract(&self, left: &Slots, right: &Slots) -> Result<Slots, Infallible> {
        Ok(zip(left, right.iter().copied(), |a, b| a - b))
    }

    fn multiply(&self, left: &Slots, right: &Slots) -> Result<Slots, Infallible> {
        Ok(zip(left, right.iter().copied(), |a, b| a * b))
    }

    fn polynomial(&self, input: &Slots, polynomial: u32) -> Result<Slots, Infallible> {
        let polynomial = &self.0.polynomials[polynomial as usize];
        Ok(input.iter().map(|&x| polynomial.evaluate(x)).collect())
    }

    fn drop_level(&self, input: &Slots, _: Level) -> Result<Slots, Infallible> {
        Ok(input.to_owned())
    }

    fn rotate(&self, input: &Slots, steps: u32) -> Result<Slots, Infallible> {
        Ok(rotated(input, steps).take(input.len()).collect())
    }
}
