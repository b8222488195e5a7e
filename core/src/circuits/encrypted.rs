//! The encrypted machine: what each instruction does to ciphertexts. Invariant: every result has
//! exactly the scale of its level.

mod polynomial;
#[cfg(test)]
mod tests;

use alloc::{borrow::Cow, boxed::Box, sync::Arc, vec::Vec};

use super::{
    factors::{FACTORS_AT_ONCE, FactorEncoding, Giant, Pairs, PreparedTransform, Term},
    interpreter::{self, Machine},
    key_source::KeySource,
    prepared::PreparedProgram,
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
        self.evaluate_from(inputs, keys, team, go_on)
    }

    /// Runs the program as [`Self::evaluate_while`] does, with keys of any source. Whether each is there, and for a
    /// level that is high enough, is found out before the first instruction where [`KeySource::are_at_hand`] says so,
    /// and else when it is used.
    ///
    /// # Errors
    /// As [`Self::evaluate`], and what the source fails with.
    pub fn evaluate_from(
        &self,
        inputs: &[Ciphertext],
        keys: &dyn KeySource,
        team: &Arc<dyn Team>,
        go_on: impl FnMut(&Instruction) -> bool,
    ) -> Result<Option<Vec<Ciphertext>>, Error> {
        if keys.are_at_hand() {
            self.check_keys(keys)?;
        }
        self.check_inputs(inputs)?;
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
    keys: &'a dyn KeySource,
}

impl<'a> EncryptedMachine<'a> {
    pub(crate) fn new(program: &'a PreparedProgram, keys: &'a dyn KeySource, evaluator: Evaluator) -> Self {
        Self { program, evaluator, keys }
    }

    /// The key of a rotation to the left.
    fn galois_key(&self, steps: u32) -> Result<Cow<'_, GaloisKey>, Error> {
        let steps = steps * self.program.code.batch;
        self.keys.galois(GaloisElement::rotation(self.evaluator.params(), steps as i32))
    }

    /// `Σ factor · input`.
    fn slotwise(
        &self,
        inputs: &[&Ciphertext],
        transform: u32,
        terms: &[Term],
        level: Level,
    ) -> Result<Ciphertext, Error> {
        let together = match self.program.encoding {
            FactorEncoding::Ahead => terms.len(),
            FactorEncoding::AsUsed => FACTORS_AT_ONCE,
        };
        let mut sum: Option<Ciphertext> = None;
        for terms in terms.chunks(together) {
            let factors = self.factors(transform, terms, level)?;
            let products: Vec<_> =
                terms.iter().zip(&factors).map(|(term, factors)| (inputs[term.number], &**factors)).collect();
            let part = self.evaluator.multiply_plain_sum(&products)?;
            match &mut sum {
                Some(sum) => self.evaluator.add_assign(sum, &part)?,
                None => sum = Some(part),
            }
        }
        Ok(sum.expect("an output has a diagonal"))
    }

    /// `Σ_giant rotate(Σ factor · rotate(input, baby), giant)`, by Horner's rule, and the folds, for each output.
    fn rotations(
        &self,
        inputs: &[&Ciphertext],
        transform: u32,
        rotated: &[(usize, u32)],
        giants: &[Vec<Giant>],
        pairs: Option<&Pairs>,
        folds: &[u32],
    ) -> Result<Vec<Ciphertext>, Error> {
        let rotated = self.baby_steps(inputs, rotated, pairs)?;
        let all = giants.iter().flatten();
        let mut sums: Box<dyn Iterator<Item = Result<ExtendedCiphertext, Error>>> =
            match self.program.encoding {
                FactorEncoding::Ahead => {
                    let terms = all.map(|giant| {
                        giant.terms.iter().filter_map(|t| Some((t.number, t.factors.as_ref()?)))
                    });
                    let terms: Vec<Vec<_>> = terms.map(Iterator::collect).collect();
                    let sums = self.evaluator.multiply_plain_sums_extended(&rotated, &terms);
                    // Their memory is for the giant steps.
                    drop(rotated);
                    Box::new(sums.into_iter().map(Ok))
                }
                FactorEncoding::AsUsed => {
                    let level = inputs[0].level();
                    Box::new(all.map(move |giant| self.sum_as_used(&rotated, transform, &giant.terms, level)))
                }
            };
        let mut outputs = Vec::with_capacity(giants.len());
        for giants in giants {
            let steps = giants.iter().map(|giant| giant.rotation);
            let mut sum = self.giant_steps(steps.zip(sums.by_ref()))?;
            if pairs.is_some() {
                let element = GaloisElement::conjugation(self.evaluator.params());
                self.add_image(&mut sum, &*self.keys.galois(element)?)?;
            }
            self.fold(&mut sum, folds)?;
            outputs.push(self.at_its_scale(self.evaluator.rescale_extended(&sum)?));
        }
        Ok(outputs)
    }

    /// `Σ factor · rotated[number]` of one giant step, with factors that are encoded for it.
    fn sum_as_used(
        &self,
        rotated: &[ExtendedCiphertext],
        transform: u32,
        terms: &[Term],
        level: Level,
    ) -> Result<ExtendedCiphertext, Error> {
        let mut sum: Option<ExtendedCiphertext> = None;
        for terms in terms.chunks(FACTORS_AT_ONCE) {
            let factors = self.factors(transform, terms, level)?;
            let products =
                terms.iter().zip(&factors).map(|(term, factors)| (term.number, &**factors)).collect();
            for part in self.evaluator.multiply_plain_sums_extended(rotated, &[products]) {
                match &mut sum {
                    Some(sum) => self.evaluator.add_assign_extended(sum, &part),
                    None => sum = Some(part),
                }
            }
        }
        Ok(sum.expect("a giant step has a term"))
    }

    /// What terms of a transform are multiplied with.
    fn factors<'t>(
        &'t self,
        transform: u32,
        terms: &'t [Term],
        level: Level,
    ) -> Result<Vec<Cow<'t, PreparedPlaintext>>, Error> {
        terms.iter().map(|term| self.program.factors(transform, term, level)).collect()
    }

    /// Rotates inputs, or what pairs are made of; rotations of one input, which stand together, share a decomposition.
    fn baby_steps(
        &self,
        inputs: &[&Ciphertext],
        rotated: &[(usize, u32)],
        pairs: Option<&Pairs>,
    ) -> Result<Vec<ExtendedCiphertext>, Error> {
        let mut made = Vec::with_capacity(rotated.len());
        for group in rotated.chunk_by(|a, b| a.0 == b.0) {
            let input = inputs[group[0].0];
            // In ascending order.
            let (none, steps) = group.split_at(usize::from(group[0].1 == 0));
            let pair = pairs.filter(|pairs| pairs.inputs.contains(&(group[0].0 as u32)));
            let whole = match pair {
                Some(pairs) => self.evaluator.pair(input, &*self.galois_key(pairs.distance)?)?,
                None => self.evaluator.extend(input),
            };
            if steps.is_empty() {
                made.push(whole);
                continue;
            }
            let digits = match pair {
                Some(_) => self.evaluator.hoist_extended(&whole)?,
                None => self.evaluator.hoist(input)?,
            };
            let first = made.len();
            let together = if self.keys.are_at_hand() { steps.len() } else { 1 };
            for steps in steps.chunks(together) {
                let keys = steps.iter().map(|&(_, steps)| self.galois_key(steps));
                let keys: Vec<_> = keys.collect::<Result<_, _>>()?;
                let keys: Vec<&GaloisKey> = keys.iter().map(AsRef::as_ref).collect();
                made.extend(self.evaluator.rotate_hoisted_extended(&whole, &digits, &keys)?);
            }
            if !none.is_empty() {
                made.insert(first, whole);
            }
        }
        Ok(made)
    }

    /// The outer sum, from the largest giant step down.
    fn giant_steps(
        &self,
        inner: impl Iterator<Item = (u32, Result<ExtendedCiphertext, Error>)>,
    ) -> Result<ExtendedCiphertext, Error> {
        let mut sum: Option<ExtendedCiphertext> = None;
        for (rotation, inner) in inner {
            let mut inner = inner?;
            if let Some(outer) = &sum {
                self.evaluator.add_assign_extended(&mut inner, outer);
            }
            sum = Some(match rotation {
                0 => inner,
                steps => self.evaluator.rotate_extended(&inner, &*self.galois_key(steps)?)?,
            });
        }
        Ok(sum.expect("an output has a diagonal"))
    }

    /// `x ← x + rotate(x, f)` for each f of the folds.
    fn fold(&self, sum: &mut ExtendedCiphertext, folds: &[u32]) -> Result<(), Error> {
        for &steps in folds {
            match steps {
                0 => self.evaluator.add_assign_extended(sum, &sum.clone()),
                _ => self.add_image(sum, &*self.galois_key(steps)?)?,
            }
        }
        Ok(())
    }

    /// Adds what the automorphism of a key makes of a sum.
    fn add_image(&self, sum: &mut ExtendedCiphertext, key: &GaloisKey) -> Result<(), Error> {
        let image = self.evaluator.rotate_extended(sum, key)?;
        self.evaluator.add_assign_extended(sum, &image);
        Ok(())
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
        let level = inputs[0].level();
        match self.program.transform(transform, level) {
            PreparedTransform::Slotwise(outputs) => {
                let output =
                    |terms: &Vec<Term>| self.rescale(self.slotwise(inputs, transform, terms, level)?);
                outputs.iter().map(output).collect()
            }
            PreparedTransform::Rotations { rotated, giants, pairs, folds } => {
                self.rotations(inputs, transform, rotated, giants, pairs.as_ref(), folds)
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
        self.evaluator.add_plain(input, &*self.program.constant(constant, input.level())?)
    }

    fn multiply_plain(&self, input: &Ciphertext, constant: u32) -> Result<Ciphertext, Error> {
        let factors = self.program.constant(constant, input.level())?;
        self.rescale(self.evaluator.multiply_plain(input, &factors)?)
    }

    fn add(&self, left: &Ciphertext, right: &Ciphertext) -> Result<Ciphertext, Error> {
        self.evaluator.add(left, right)
    }

    fn subtract(&self, left: &Ciphertext, right: &Ciphertext) -> Result<Ciphertext, Error> {
        self.evaluator.subtract(left, right)
    }

    fn multiply(&self, left: &Ciphertext, right: &Ciphertext) -> Result<Ciphertext, Error> {
        let product = self.evaluator.multiply(left, right)?;
        self.rescale(self.evaluator.relinearize(&product, &*self.keys.relinearization()?)?)
    }

    fn polynomial(&self, input: &Ciphertext, polynomial: u32) -> Result<Ciphertext, Error> {
        self.evaluate_schedule(input, self.program.schedule(polynomial, input.level()))
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
            _ => self.evaluator.apply_galois(input, &*self.galois_key(steps)?),
        }
    }
}
