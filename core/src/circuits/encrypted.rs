//! The encrypted machine: what each instruction does to ciphertexts. Invariant: every result has
//! exactly the scale of its level.

mod polynomial;
#[cfg(test)]
mod tests;

use alloc::{sync::Arc, vec::Vec};

use super::{
    interpreter::{self, Machine},
    prepared::{Giant, PreparedProgram, PreparedTransform},
    program::Instruction,
    schedule,
};
use crate::ring::{leaving, reusing};
use crate::scheme::{
    Ciphertext, Error, EvaluationKeys, Evaluator, ExtendedCiphertext, GaloisElement, GaloisKey, Level,
    PreparedPlaintext,
};
use crate::team::{Alone, Team};

impl PreparedProgram {
    /// Runs the program on ciphertexts. Deterministic: equal inputs give equal bits.
    ///
    /// The memory of polynomials stays with the thread for its next evaluation; all but the outputs is reused.
    ///
    /// # Errors
    /// [`Error::InputCount`], [`Error::ParamsMismatch`], [`Error::LevelMismatch`] and
    /// [`Error::ScaleMismatch`] for inputs that do not fit; as [`PreparedProgram::check_keys`].
    pub fn evaluate(&self, inputs: &[Ciphertext], keys: &EvaluationKeys) -> Result<Vec<Ciphertext>, Error> {
        let outputs = self.evaluate_while(inputs, keys, &(Arc::new(Alone) as Arc<dyn Team>), |_| true)?;
        Ok(outputs.expect("nobody stops it"))
    }

    /// Runs the program as [`Self::evaluate`] does, with a team that shares the work, and asks before each
    /// instruction whether to go on; `None` if not. The bits of the result do not depend on the team.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub fn evaluate_while(
        &self,
        inputs: &[Ciphertext],
        keys: &EvaluationKeys,
        team: &Arc<dyn Team>,
        go_on: impl FnMut(&Instruction) -> bool,
    ) -> Result<Option<Vec<Ciphertext>>, Error> {
        self.check_inputs(inputs)?;
        self.check_keys(keys)?;
        let machine = EncryptedMachine::new(self, keys, self.evaluator.with_team(team));
        reusing(|| {
            let outputs = interpreter::run_while(&machine, &self.code, inputs, go_on)?;
            Ok(outputs.map(|outputs| leaving(&outputs)))
        })
    }
}

/// Runs a prepared program with somebody's keys.
pub(crate) struct EncryptedMachine<'a> {
    program: &'a PreparedProgram,
    evaluator: Evaluator,
    keys: &'a EvaluationKeys,
}

impl<'a> EncryptedMachine<'a> {
    pub(crate) fn new(program: &'a PreparedProgram, keys: &'a EvaluationKeys, evaluator: Evaluator) -> Self {
        Self { program, evaluator, keys }
    }

    fn galois_key(&self, steps: u32) -> Result<&GaloisKey, Error> {
        let steps = steps * self.program.code.batch;
        self.keys.galois(GaloisElement::rotation(self.evaluator.params(), steps as i32))
    }

    /// The constant as prepared for this operand's level.
    fn constant(&self, constant: u32, level: Level) -> &PreparedPlaintext {
        &self.program.constants[&(constant, level)]
    }

    /// `Σ_giant rotate(Σ factor · rotate(input, baby), giant)`, by Horner's rule, and the folds, for each output.
    fn rotations(
        &self,
        inputs: &[&Ciphertext],
        rotated: &[(usize, u32)],
        giants: &[Vec<Giant>],
        folds: &[u32],
    ) -> Result<Vec<Ciphertext>, Error> {
        let rotated = self.baby_steps(inputs, rotated)?;
        let sums = giants.iter().flatten().map(|giant| giant.terms.iter().map(|(k, factor)| (*k, factor)));
        let sums: Vec<Vec<_>> = sums.map(Iterator::collect).collect();
        let mut inner = self.evaluator.multiply_plain_sums_extended(&rotated, &sums).into_iter();
        drop(rotated);
        let mut outputs = Vec::with_capacity(giants.len());
        for giants in giants {
            let sum =
                self.giant_steps(giants.iter().map(|giant| giant.rotation).zip(inner.by_ref()), folds)?;
            outputs.push(self.at_its_scale(self.evaluator.rescale_extended(sum)?));
        }
        Ok(outputs)
    }

    /// Rotates inputs; those of one input, which stand together, share its decomposition.
    fn baby_steps(
        &self,
        inputs: &[&Ciphertext],
        rotated: &[(usize, u32)],
    ) -> Result<Vec<ExtendedCiphertext>, Error> {
        let mut made = Vec::with_capacity(rotated.len());
        for group in rotated.chunk_by(|a, b| a.0 == b.0) {
            let input = inputs[group[0].0];
            // In ascending order.
            let (none, steps) = group.split_at(usize::from(group[0].1 == 0));
            made.extend(none.iter().map(|_| self.evaluator.extend(input)));
            let keys: Vec<_> =
                steps.iter().map(|&(_, steps)| self.galois_key(steps)).collect::<Result<_, _>>()?;
            if !keys.is_empty() {
                let digits = self.evaluator.hoist(input)?;
                made.extend(self.evaluator.rotate_hoisted_extended(input, &digits, &keys)?);
            }
        }
        Ok(made)
    }

    /// The outer sum, from the largest giant step down, and the folds.
    fn giant_steps(
        &self,
        inner: impl Iterator<Item = (u32, ExtendedCiphertext)>,
        folds: &[u32],
    ) -> Result<ExtendedCiphertext, Error> {
        let mut sum: Option<ExtendedCiphertext> = None;
        for (rotation, mut inner) in inner {
            if let Some(outer) = &sum {
                self.evaluator.add_assign_extended(&mut inner, outer);
            }
            sum = Some(match rotation {
                0 => inner,
                steps => self.evaluator.rotate_extended(&inner, self.galois_key(steps)?)?,
            });
        }
        let mut sum = sum.expect("an output has a diagonal");
        for &steps in folds {
            let rotated = match steps {
                0 => sum.clone(),
                _ => self.evaluator.rotate_extended(&sum, self.galois_key(steps)?)?,
            };
            self.evaluator.add_assign_extended(&mut sum, &rotated);
        }
        Ok(sum)
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

    /// Decomposes each input once for all baby steps; each giant step of an output costs a key switch.
    fn linear_transform(
        &self,
        inputs: &[&Ciphertext],
        _: u32,
        transform: u32,
    ) -> Result<Vec<Ciphertext>, Error> {
        match &self.program.transforms[&(transform, inputs[0].level())] {
            PreparedTransform::Slotwise(outputs) => {
                let output = |terms: &Vec<(usize, PreparedPlaintext)>| {
                    let terms: Vec<_> =
                        terms.iter().map(|(input, factor)| (inputs[*input], factor)).collect();
                    self.rescale(self.evaluator.multiply_plain_sum(&terms)?)
                };
                outputs.iter().map(output).collect()
            }
            PreparedTransform::Rotations { rotated, giants, folds } => {
                self.rotations(inputs, rotated, giants, folds)
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
