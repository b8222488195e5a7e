//! Polynomials on ciphertexts, as their schedule says.

use alloc::{borrow::Cow, collections::BTreeMap};

use super::EncryptedMachine;
use crate::{
    circuits::schedule::{Factor, Power, Schedule, Sum},
    ring::Binary,
    scheme::{Ciphertext, Error, Level, RelinearizationKey, TensorCiphertext},
};

/// `T_n` by index.
type Powers<'a> = BTreeMap<usize, Cow<'a, Ciphertext>>;

impl EncryptedMachine<'_> {
    pub(super) fn evaluate_schedule(
        &self,
        input: &Ciphertext,
        schedule: &Schedule,
    ) -> Result<Ciphertext, Error> {
        let argument = match schedule.substitution {
            None => Cow::Borrowed(input),
            Some((Factor { value, scale }, offset)) => {
                let scaled = self.rescale(self.evaluator.multiply_constant(input, value, scale)?)?;
                Cow::Owned(self.plus(scaled, offset)?)
            }
        };
        // All products share the key, asked for once; without powers there are none.
        let key = match schedule.powers[..] {
            [] => None,
            _ => Some(self.keys.relinearization()?),
        };
        let key = key.as_deref();
        let mut powers = Powers::from([(1, argument)]);
        for power in &schedule.powers {
            let value = self.power(power, &powers, key)?;
            powers.insert(power.index, Cow::Owned(value));
        }
        Ok(self.at_its_scale(self.sum(&schedule.root, &powers, key)?))
    }

    fn power(
        &self,
        power: &Power,
        powers: &Powers<'_>,
        key: Option<&RelinearizationKey>,
    ) -> Result<Ciphertext, Error> {
        let at_level = |index: usize| self.limbs_of(&powers[&index], power.level);
        let (a, b) = power.factors;
        let (left, right) = (at_level(a)?, at_level(b)?);
        let tensor = self.evaluator.multiply(&left, &right)?;
        let mut product = self.relinearize(&tensor, key)?;
        if power.double {
            product = self.evaluator.add(&product, &product)?;
        }
        if let Some((index, Factor { value, scale })) = power.correction {
            let term = self.evaluator.multiply_constant(at_level(index)?.as_ref(), value, scale)?;
            self.evaluator.add_assign(&mut product, &term)?;
        }
        self.evaluator.rescale_assign(&mut product)?;
        self.plus(product, power.offset)
    }

    /// Adds up products of two ciphertexts before their one relinearization, and everything
    /// before its one rescaling.
    fn sum(
        &self,
        sum: &Sum,
        powers: &Powers<'_>,
        key: Option<&RelinearizationKey>,
    ) -> Result<Ciphertext, Error> {
        let at_level = |index: usize| self.limbs_of(&powers[&index], sum.level);
        let mut products: Option<TensorCiphertext> = None;
        for (index, quotient) in &sum.products {
            let product =
                self.evaluator.multiply(&self.sum(quotient, powers, key)?, at_level(*index)?.as_ref())?;
            match &mut products {
                Some(products) => self.add_tensor_assign(products, &product),
                None => products = Some(product),
            }
        }
        let mut total: Option<Ciphertext> = match products {
            Some(products) => Some(self.relinearize(&products, key)?),
            None => None,
        };
        for &(index, Factor { value, scale }) in &sum.direct {
            let term = self.evaluator.multiply_constant(at_level(index)?.as_ref(), value, scale)?;
            match &mut total {
                Some(total) => self.evaluator.add_assign(total, &term)?,
                None => total = Some(term),
            }
        }
        let mut total = total.expect("a sum has a term");
        self.evaluator.rescale_assign(&mut total)?;
        self.plus(total, sum.offset)
    }

    fn relinearize(
        &self,
        tensor: &TensorCiphertext,
        key: Option<&RelinearizationKey>,
    ) -> Result<Ciphertext, Error> {
        self.evaluator.relinearize(tensor, key.ok_or(Error::MissingRelinearizationKey)?)
    }

    /// Adds products of the same schedule, hence of equal level and scale.
    fn add_tensor_assign(&self, a: &mut TensorCiphertext, b: &TensorCiphertext) {
        debug_assert!(a.level == b.level && a.scale.matches(b.scale));
        for (x, y) in a.d.iter_mut().zip(&b.d) {
            self.evaluator.params().ring().combine(y.limbs(), Binary::Add, x, y);
        }
    }

    fn plus(&self, ciphertext: Ciphertext, offset: f64) -> Result<Ciphertext, Error> {
        if offset == 0.0 { Ok(ciphertext) } else { self.evaluator.add_constant(&ciphertext, offset) }
    }

    /// Discards limbs down to a level, if there are any to discard.
    fn limbs_of<'c>(&self, ciphertext: &'c Ciphertext, level: Level) -> Result<Cow<'c, Ciphertext>, Error> {
        if ciphertext.level() == level {
            return Ok(Cow::Borrowed(ciphertext));
        }
        self.evaluator.drop_level(ciphertext, level).map(Cow::Owned)
    }
}
