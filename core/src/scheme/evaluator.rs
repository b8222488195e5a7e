//! Operations on ciphertexts that need no secret. Each checks that parameter sets, levels, scales and
//! keys fit, and cannot fail otherwise.

use super::{
    ciphertext::{Ciphertext, PreparedPlaintext, TensorCiphertext},
    division::Finish,
    error::Error,
    galois::GaloisElement,
    key_switch::{Digits, HoistedDigits, Lifted, limbs_of},
    keys::{EvaluationKeys, GaloisKey, RelinearizationKey},
    level::{Level, Scale},
    params::Params,
};
use alloc::{sync::Arc, vec::Vec};

use crate::ring::{Binary, Cost, Ntt, Poly, Residues, for_each, reusing};
use crate::team::{Alone, Team};

/// Evaluates on ciphertexts of one parameter set.
#[derive(Clone, Debug)]
pub struct Evaluator {
    pub(super) params: Params,
    pub(super) team: Arc<dyn Team>,
}

impl Evaluator {
    /// An evaluator for a parameter set, which does everything on the thread that calls it.
    #[must_use]
    pub fn new(params: &Params) -> Self {
        Self { params: params.clone(), team: Arc::new(Alone) }
    }

    /// The same with a team that shares the work of each operation. The results are the same bits.
    #[must_use]
    pub fn with_team(&self, team: &Arc<dyn Team>) -> Self {
        Self { params: self.params.clone(), team: Arc::clone(team) }
    }

    /// The parameter set.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Adds slot by slot: `out = a + b`.
    ///
    /// # Errors
    /// [`Error::LevelMismatch`], [`Error::ScaleMismatch`], [`Error::ParamsMismatch`].
    pub fn add(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext, Error> {
        let mut sum = a.clone();
        self.add_assign(&mut sum, b)?;
        Ok(sum)
    }

    /// Adds slot by slot in place: `a += b`.
    ///
    /// # Errors
    /// As [`Evaluator::add`].
    pub fn add_assign(&self, a: &mut Ciphertext, b: &Ciphertext) -> Result<(), Error> {
        self.combine(Binary::Add, a, b)
    }

    /// Subtracts slot by slot: `out = a − b`.
    ///
    /// # Errors
    /// As [`Evaluator::add`].
    pub fn subtract(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext, Error> {
        let mut difference = a.clone();
        self.combine(Binary::Subtract, &mut difference, b)?;
        Ok(difference)
    }

    /// Negates: `out = −a`.
    ///
    /// # Errors
    /// [`Error::ParamsMismatch`].
    pub fn negate(&self, a: &Ciphertext) -> Result<Ciphertext, Error> {
        self.check(a)?;
        let zero = Poly::zero(self.params.degree(), a.c0.limbs());
        let mut out = a.clone();
        for half in [&mut out.c0, &mut out.c1] {
            self.params.ring().combine(zero.limbs(), Binary::SubtractFrom, half, &zero);
        }
        Ok(out)
    }

    /// Adds an encoded vector of the same level and scale.
    ///
    /// # Errors
    /// As [`Evaluator::add`].
    pub fn add_plain(&self, a: &Ciphertext, b: &PreparedPlaintext) -> Result<Ciphertext, Error> {
        self.check_against(a, b.level)?;
        self.params.check(b.params_id)?;
        matching(a.scale, b.scale)?;
        let mut sum = a.clone();
        self.params.ring().combine(b.poly.limbs(), Binary::AddFromMontgomery, &mut sum.c0, &b.poly);
        Ok(sum)
    }

    /// Adds a real constant to every slot.
    ///
    /// # Errors
    /// [`Error::ValueOutOfRange`] when `constant · scale` does not fit 62 bits.
    pub fn add_constant(&self, a: &Ciphertext, constant: f64) -> Result<Ciphertext, Error> {
        self.check(a)?;
        let integer = to_integer(constant, a.scale)?;
        let mut sum = a.clone();
        // A constant polynomial has the same value everywhere.
        self.params.ring().add_integer(&mut sum.c0, integer);
        Ok(sum)
    }

    /// Multiplies by an encoded vector: `out.scale = a.scale · b.scale`. 2ℓN multiplications.
    ///
    /// # Errors
    /// [`Error::LevelMismatch`], [`Error::ParamsMismatch`].
    pub fn multiply_plain(&self, a: &Ciphertext, b: &PreparedPlaintext) -> Result<Ciphertext, Error> {
        self.multiply_plain_sum(&[(a, b)])
    }

    /// Sums products with encoded vectors: `out = Σ aᵢ·bᵢ`, reduced once per fifteen terms.
    ///
    /// Both sides of all terms must be at the first term's level; scales of products must agree.
    ///
    /// # Errors
    /// [`Error::LevelMismatch`], [`Error::ScaleMismatch`], [`Error::ParamsMismatch`],
    /// [`Error::InputCount`] for an empty sum.
    pub fn multiply_plain_sum(
        &self,
        terms: &[(&Ciphertext, &PreparedPlaintext)],
    ) -> Result<Ciphertext, Error> {
        let (a, b) = terms.first().ok_or(Error::InputCount { expected: 1, found: 0 })?;
        let scale = a.scale.times(b.scale);
        for (x, y) in terms {
            self.check_against(x, a.level)?;
            self.params.check(y.params_id)?;
            same_level(a.level, y.level)?;
            matching(scale, x.scale.times(y.scale))?;
        }
        let limbs = a.c0.limbs();
        let ciphertexts: Vec<_> = terms.iter().map(|(x, _)| [&x.c0, &x.c1]).collect();
        let sum = terms.iter().enumerate().map(|(k, (_, y))| (k, &y.poly)).collect();
        let sums = self.sums_of_products(limbs, &ciphertexts, &[sum]);
        let [c0, c1] = sums.into_iter().next().expect("one sum was asked for");
        Ok(Ciphertext { params_id: self.params.id(), level: a.level, scale, c0, c1 })
    }

    /// Multiplies every slot by a real constant, encoded at `scale`: `out.scale = a.scale · scale`.
    ///
    /// # Errors
    /// [`Error::ValueOutOfRange`] when `constant · scale` does not fit 62 bits.
    pub fn multiply_constant(
        &self,
        a: &Ciphertext,
        constant: f64,
        scale: Scale,
    ) -> Result<Ciphertext, Error> {
        self.check(a)?;
        let integer = to_integer(constant, scale)?;
        let mut product = a.clone();
        for half in [&mut product.c0, &mut product.c1] {
            let main = half.limbs();
            self.params.ring().scale_limbs(main, half, |m| m.shoup(m.reduce_signed_public(integer)));
        }
        product.scale = a.scale.times(scale);
        Ok(product)
    }

    /// Multiplies slot by slot, without relinearization: `out.scale = a.scale · b.scale`.
    ///
    /// `(2, ℓ, N) × (2, ℓ, N) → (3, ℓ, N)`, NTT domain; 4ℓN multiplications and as many again for reductions.
    ///
    /// # Errors
    /// [`Error::LevelMismatch`], [`Error::ParamsMismatch`].
    pub fn multiply(&self, a: &Ciphertext, b: &Ciphertext) -> Result<TensorCiphertext, Error> {
        self.check(a)?;
        self.check_against(b, a.level)?;
        let d = self.params.ring().tensor(&*self.team, [&a.c0, &a.c1], [&b.c0, &b.c1]);
        Ok(TensorCiphertext { params_id: a.params_id, level: a.level, scale: a.scale.times(b.scale), d })
    }

    /// Brings a product back to two components.
    ///
    /// # Errors
    /// [`Error::KeyLevelTooLow`], [`Error::ParamsMismatch`].
    pub fn relinearize(
        &self,
        tensor: &TensorCiphertext,
        key: &RelinearizationKey,
    ) -> Result<Ciphertext, Error> {
        self.params.check(tensor.params_id)?;
        let [d0, d1, d2] = &tensor.d;
        let finish = [d0, d1].map(|summand| Finish { summand: Some(summand), permutation: None });
        let division = &self.params.tables_at(tensor.level).special;
        let mut out = self.unwritten_quotients(division);
        reusing(|| {
            let digits = Digits::new(self, tensor.level, d2);
            let with = (tensor.level, &key.0);
            self.switch_and_divide(with, &digits, None, division, finish, &mut out)
        })?;
        let [c0, c1] = out;
        Ok(Ciphertext { params_id: tensor.params_id, level: tensor.level, scale: tensor.scale, c0, c1 })
    }

    /// Divides by the level's primes: `out.level = a.level − 1`, `out.scale = a.scale / ∏ qᵢ`.
    ///
    /// # Errors
    /// [`Error::LevelExhausted`] at level 0, [`Error::ParamsMismatch`].
    pub fn rescale(&self, a: &Ciphertext) -> Result<Ciphertext, Error> {
        self.check(a)?;
        let level = a.level.below().ok_or(Error::LevelExhausted)?;
        let division = self.params.tables_at(a.level).rescale.as_ref().ok_or(Error::LevelExhausted)?;
        let [c0, c1] = self.divide(a.level, division, || Ok([&a.c0, &a.c1]))?;
        let scale = a.scale.divided_by(self.params.level_divisor(a.level));
        Ok(Ciphertext { params_id: a.params_id, level, scale, c0, c1 })
    }

    /// Replaces a ciphertext by [`Evaluator::rescale`] of it.
    ///
    /// # Errors
    /// As [`Evaluator::rescale`].
    pub fn rescale_assign(&self, a: &mut Ciphertext) -> Result<(), Error> {
        *a = self.rescale(a)?;
        Ok(())
    }

    /// Discards limbs down to `level`; message and scale stay.
    ///
    /// # Errors
    /// [`Error::LevelMismatch`] when the ciphertext is lower already.
    pub fn drop_level(&self, a: &Ciphertext, level: Level) -> Result<Ciphertext, Error> {
        self.check(a)?;
        if level > a.level {
            return Err(Error::LevelMismatch { expected: level, found: a.level });
        }
        let limbs = self.params.limbs_at(level) * self.params.degree();
        let keep = |poly: &Poly<Ntt>| {
            Poly::from_residues(self.params.degree(), Residues::copy_of(&poly.residues()[..limbs]))
        };
        Ok(Ciphertext { params_id: a.params_id, level, scale: a.scale, c0: keep(&a.c0), c1: keep(&a.c1) })
    }

    /// Brings a ciphertext down to `level` and to exactly that level's scale, by a multiplication
    /// with 1 at the scale that makes up the difference and a rescaling.
    ///
    /// Source: Kim, Papadimitriou, Polyakov, "Approximate Homomorphic Encryption with Reduced
    /// Approximation Error" (eprint 2020/1118), section 3.
    ///
    /// # Errors
    /// [`Error::LevelMismatch`] when the ciphertext is lower already; [`Error::ScaleMismatch`] when
    /// it is at that level with another scale, or when the factor would be below 1.
    pub fn adjust_level(&self, a: &Ciphertext, level: Level) -> Result<Ciphertext, Error> {
        self.check(a)?;
        if level >= a.level {
            same_level(level, a.level)?;
            matching(self.params.scale_at(level), a.scale)?;
            return Ok(a.clone());
        }
        let above = Level(level.0 + 1);
        let target = self.params.scale_at(level);
        let factor = target.value() * self.params.level_divisor(above) / a.scale.value();
        let factor = Scale::new(factor).ok_or(Error::ScaleMismatch { expected: target, found: a.scale })?;
        let mut out = self.multiply_constant(&self.drop_level(a, above)?, 1.0, factor)?;
        self.rescale_assign(&mut out)?;
        out.scale = target;
        Ok(out)
    }

    /// Applies the automorphism of a key: rotates or conjugates the slots. One key switch.
    ///
    /// # Errors
    /// [`Error::KeyLevelTooLow`], [`Error::ParamsMismatch`].
    pub fn apply_galois(&self, a: &Ciphertext, key: &GaloisKey) -> Result<Ciphertext, Error> {
        self.check(a)?;
        let mut out = self.unwritten_quotients(&self.params.tables_at(a.level).special);
        reusing(|| self.rotate_into(a, key, &Digits::new(self, a.level, &a.c1), &mut out))?;
        let [c0, c1] = out;
        Ok(Ciphertext { params_id: a.params_id, level: a.level, scale: a.scale, c0, c1 })
    }

    /// Rotates the slots to the left by `steps`, to the right when negative: slot `steps` moves to slot 0.
    ///
    /// # Errors
    /// [`Error::MissingGaloisKey`]; as [`Evaluator::apply_galois`].
    pub fn rotate(&self, a: &Ciphertext, steps: i32, keys: &EvaluationKeys) -> Result<Ciphertext, Error> {
        self.apply_galois(a, keys.galois(GaloisElement::rotation(&self.params, steps))?)
    }

    /// Conjugates the slots.
    ///
    /// # Errors
    /// As [`Evaluator::rotate`].
    pub fn conjugate(&self, a: &Ciphertext, keys: &EvaluationKeys) -> Result<Ciphertext, Error> {
        self.apply_galois(a, keys.galois(GaloisElement::conjugation(&self.params))?)
    }

    /// Decomposes a ciphertext for several automorphisms.
    ///
    /// # Errors
    /// [`Error::ParamsMismatch`].
    pub fn hoist(&self, a: &Ciphertext) -> Result<HoistedDigits, Error> {
        self.check(a)?;
        Ok(self.decompose(a.level, &a.c1))
    }

    /// Applies the automorphism of a key to a ciphertext whose digits are at hand.
    ///
    /// # Errors
    /// [`Error::KeyLevelTooLow`], [`Error::LevelMismatch`] for digits of another level.
    pub fn rotate_hoisted(
        &self,
        a: &Ciphertext,
        digits: &HoistedDigits,
        key: &GaloisKey,
    ) -> Result<Ciphertext, Error> {
        self.check(a)?;
        same_level(a.level, digits.level())?;
        self.params.check(digits.params_id())?;
        let mut out = self.unwritten_quotients(&self.params.tables_at(a.level).special);
        reusing(|| self.rotate_into(a, key, digits, &mut out))?;
        let [c0, c1] = out;
        Ok(Ciphertext { params_id: a.params_id, level: a.level, scale: a.scale, c0, c1 })
    }

    /// Switches digits, divides by the special modulus, adds c₀ and applies the automorphism.
    fn rotate_into(
        &self,
        a: &Ciphertext,
        key: &GaloisKey,
        digits: &impl Lifted,
        out: &mut [Poly<Ntt>; 2],
    ) -> Result<(), Error> {
        let division = &self.params.tables_at(a.level).special;
        let finish =
            [Some(&a.c0), None].map(|summand| Finish { summand, permutation: Some(&key.permutation) });
        self.switch_and_divide((a.level, &key.key), digits, None, division, finish, out)
    }

    fn combine(&self, operation: Binary, a: &mut Ciphertext, b: &Ciphertext) -> Result<(), Error> {
        self.check(a)?;
        self.check_against(b, a.level)?;
        matching(a.scale, b.scale)?;
        self.combine_halves(operation, a.level, [&mut a.c0, &mut a.c1], [&b.c0, &b.c1]);
        Ok(())
    }

    /// Combines polynomials over the primes of a level, and the special ones if they have more limbs, in place.
    pub(super) fn combine_halves(
        &self,
        operation: Binary,
        level: Level,
        a: [&mut Poly<Ntt>; 2],
        b: [&Poly<Ntt>; 2],
    ) {
        let (ring, main, degree) = (self.params.ring(), self.params.limbs_at(level), self.params.degree());
        let cost = Cost::passes(3 * 2 * b[0].limbs(), degree);
        let limbs = limbs_of(degree, a.map(Poly::residues_mut));
        for_each(&*self.team, cost, limbs, |(k, i, limb)| {
            ring.combine_limb(ring.prime_of_limb(main, i), operation, limb, b[k].limb(i));
        });
    }

    pub(super) fn check(&self, a: &Ciphertext) -> Result<(), Error> {
        self.params.check(a.params_id)
    }

    pub(super) fn check_against(&self, a: &Ciphertext, level: Level) -> Result<(), Error> {
        self.check(a)?;
        same_level(level, a.level)
    }
}

fn same_level(expected: Level, found: Level) -> Result<(), Error> {
    (expected == found).then_some(()).ok_or(Error::LevelMismatch { expected, found })
}

fn matching(expected: Scale, found: Scale) -> Result<(), Error> {
    expected.matches(found).then_some(()).ok_or(Error::ScaleMismatch { expected, found })
}

/// `⌊constant · scale⌉`, if it fits 62 bits.
fn to_integer(constant: f64, scale: Scale) -> Result<i64, Error> {
    let rounded = libm::rint(constant * scale.value());
    let in_range = libm::fabs(rounded) < (1u64 << 62) as f64;
    in_range.then_some(rounded as i64).ok_or(Error::ValueOutOfRange { scale })
}
