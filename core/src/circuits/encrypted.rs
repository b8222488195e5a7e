//! The encrypted machine: what each instruction does to ciphertexts. Invariant: every result has
//! exactly the scale of its level.

mod polynomial;
#[cfg(test)]
mod tests;

use alloc::{vec, vec::Vec};

use super::{
    interpreter::{self, Machine},
    prepared::{Giant, PreparedProgram, PreparedTransform},
    schedule,
};
use crate::scheme::{
    Ciphertext, Error, EvaluationKeys, Evaluator, ExtendedCiphertext, GaloisElement, GaloisKey, Level,
    PreparedPlaintext,
};

impl PreparedProgram {
    /// Runs the program on ciphertexts. Deterministic: equal inputs give equal bits.
    ///
    /// # Errors
    /// [`Error::InputCount`], [`Error::ParamsMismatch`], [`Error::LevelMismatch`] and
    /// [`Error::ScaleMismatch`] for inputs that do not fit; as [`PreparedProgram::check_keys`].
    pub fn evaluate(&self, inputs: &[Ciphertext], keys: &EvaluationKeys) -> Result<Vec<Ciphertext>, Error> {
        self.check_inputs(inputs)?;
        self.check_keys(keys)?;
        interpreter::run(&EncryptedMachine::new(self, keys), &self.code, inputs)
    }
}

/// Runs a prepared program with somebody's keys.
pub(crate) struct EncryptedMachine<'a> {
    program: &'a PreparedProgram,
    evaluator: &'a Evaluator,
    keys: &'a EvaluationKeys,
}

impl<'a> EncryptedMachine<'a> {
    pub(crate) fn new(program: &'a PreparedProgram, keys: &'a EvaluationKeys) -> Self {
        Self { program, evaluator: &program.evaluator, keys }
    }

    fn galois_key(&self, steps: u32) -> Result<&GaloisKey, Error> {
        self.keys.galois(GaloisElement::rotation(self.evaluator.params(), steps as i32))
    }

    /// The constant as prepared for this operand's level.
    fn constant(&self, constant: u32, level: Level) -> &PreparedPlaintext {
        &self.program.constants[&(constant, level)]
    }

    /// `Σ_giant rotate(Σ_baby factor · rotate(input, baby), giant)`, by Horner's rule, and the folds.
    fn rotations(
        &self,
        input: &Ciphertext,
        babies: &[u32],
        giants: &[Giant],
        folds: &[u32],
    ) -> Result<Ciphertext, Error> {
        let mut rotated = vec![self.evaluator.extend(input)];
        if !babies.is_empty() {
            let digits = self.evaluator.hoist(input)?;
            for &steps in babies {
                let key = self.galois_key(steps)?;
                rotated.push(self.evaluator.rotate_hoisted_extended(input, &digits, key)?);
            }
        }
        // Number 0 is the input itself.
        let number = |steps: &u32| babies.binary_search(steps).map_or(0, |at| at + 1);
        let sums = giants.iter().map(|giant| giant.terms.iter().map(|(baby, factor)| (number(baby), factor)));
        let sums: Vec<Vec<_>> = sums.map(Iterator::collect).collect();
        let inner = self.evaluator.multiply_plain_sums_extended(&rotated, &sums);
        drop(rotated);
        let mut sum: Option<ExtendedCiphertext> = None;
        for (giant, mut inner) in giants.iter().zip(inner) {
            if let Some(outer) = &sum {
                self.evaluator.add_assign_extended(&mut inner, outer);
            }
            sum = Some(match giant.rotation {
                0 => inner,
                steps => self.evaluator.rotate_extended(&inner, self.galois_key(steps)?)?,
            });
        }
        let mut sum = sum.expect("a transform has a diagonal");
        for &steps in folds {
            let rotated = match steps {
                0 => sum.clone(),
                _ => self.evaluator.rotate_extended(&sum, self.galois_key(steps)?)?,
            };
            self.evaluator.add_assign_extended(&mut sum, &rotated);
        }
        Ok(self.at_its_scale(self.evaluator.rescale_extended(sum)?))
    }

    /// Divides by the level's primes, which by choice of the factors lands on the level's scale.
    fn rescale(&self, mut product: Ciphertext) -> Result<Ciphertext, Error> {
        self.evaluator.rescale_assign(&mut product)?;
        Ok(self.at_its_scale(product))
    }

    /// Removes the rounding from a scale that is that of its level.
    fn at_its_scale(&self, mut ciphertext: Ciphertext) -> Ciphertext {
        let scale = self.evaluator.params().scale_at(ciphertext.level());
        debug_assert!(scale.matches(ciphertext.scale()), "{scale} is not {}", ciphertext.scale());
        ciphertext.scale = scale;
        ciphertext
    }
}

impl Machine for EncryptedMachine<'_> {
    type Value = Ciphertext;
    type Error = Error;

    /// Decomposes the input once for all baby steps; each giant step costs a key switch.
    fn linear_transform(&self, input: &Ciphertext, transform: u32) -> Result<Ciphertext, Error> {
        match &self.program.transforms[&(transform, input.level())] {
            PreparedTransform::Diagonal(factor) => {
                self.rescale(self.evaluator.multiply_plain(input, factor)?)
            }
            PreparedTransform::Rotations { babies, giants, folds } => {
                self.rotations(input, babies, giants, folds)
            }
        }
    }

    fn rotate_sum(&self, input: &Ciphertext, steps: &[u32]) -> Result<Ciphertext, Error> {
        let mut sum = input.clone();
        for &steps in steps {
            let rotated = self.rotate(&sum, steps)?;
            self.evaluator.add_assign(&mut sum, &rotated)?;
        }
        Ok(sum)
    }

    fn add_plain(&self, input: &Ciphertext, constant: u32) -> Result<Ciphertext, Error> {
        self.evaluator.add_plain(input, self.constant(constant, input.level()))
    }

    fn multiply_plain(&self, input: &Ciphertext, constant: u32) -> Result<Ciphertext, Error> {
        self.rescale(self.evaluator.multiply_plain(input, self.constant(constant, input.level()))?)
    }

    fn add(&self, left: &Ciphertext, right: &Ciphertext) -> Result<Ciphertext, Error> {
        self.evaluator.add(left, right)
    }

    fn subtract(&self, left: &Ciphertext, right: &Ciphertext) -> Result<Ciphertext, Error> {
        self.evaluator.subtract(left, right)
    }

    fn multiply(&self, left: &Ciphertext, right: &Ciphertext) -> Result<Ciphertext, Error> {
        let product = self.evaluator.multiply(left, right)?;
        self.rescale(self.evaluator.relinearize(&product, self.keys.relinearization()?)?)
    }

    fn polynomial(&self, input: &Ciphertext, polynomial: u32) -> Result<Ciphertext, Error> {
        self.evaluate_schedule(input, &self.program.schedules[&(polynomial, input.level())])
    }

    fn drop_level(&self, input: &Ciphertext, level: Level) -> Result<Ciphertext, Error> {
        // The check refused the scales for which this is an error.
        let rescales = schedule::drop_takes_rescaling(self.evaluator.params(), input.level(), level);
        let dropped = match rescales {
            Ok(false) => self.evaluator.drop_level(input, level)?,
            _ => self.evaluator.adjust_level(input, level)?,
        };
        Ok(self.at_its_scale(dropped))
    }

    fn rotate(&self, input: &Ciphertext, steps: u32) -> Result<Ciphertext, Error> {
        match steps {
            0 => Ok(input.clone()),
            _ => self.evaluator.apply_galois(input, self.galois_key(steps)?),
        }
    }
}
