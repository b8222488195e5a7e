//! The encrypted machine: what each instruction does to ciphertexts. Invariant: every result has
//! exactly the scale of its level.

mod polynomial;
#[cfg(test)]
mod tests;

use alloc::{borrow::Cow, collections::BTreeMap, vec::Vec};

use super::{
    interpreter::{self, Machine},
    prepared::PreparedProgram,
    schedule,
};
use crate::scheme::{
    Ciphertext, Error, EvaluationKeys, Evaluator, GaloisElement, GaloisKey, Level, PreparedPlaintext,
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
        let transform = &self.program.transforms[&(transform, input.level())];
        let mut babies = BTreeMap::from([(0, Cow::Borrowed(input))]);
        if !transform.baby_rotations.is_empty() {
            let digits = self.evaluator.hoist(input)?;
            for &steps in &transform.baby_rotations {
                let rotated = self.evaluator.rotate_hoisted(input, &digits, self.galois_key(steps)?)?;
                babies.insert(steps, Cow::Owned(rotated));
            }
        }
        let mut sum: Option<Ciphertext> = None;
        for giant in &transform.giants {
            let terms: Vec<_> = giant.terms.iter().map(|(baby, factor)| (&*babies[baby], factor)).collect();
            let inner = self.evaluator.multiply_plain_sum(&terms)?;
            let outer = if giant.rotation == 0 { inner } else { self.rotate(&inner, giant.rotation)? };
            match &mut sum {
                Some(sum) => self.evaluator.add_assign(sum, &outer)?,
                None => sum = Some(outer),
            }
        }
        self.rescale(sum.expect("a transform has a diagonal"))
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
