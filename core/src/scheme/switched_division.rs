//! Key switching and the division that follows it, at once: what is switched is divided while it is in the nearest
//! cache, and only the limbs that are divided away are ever in memory as a whole.

use super::{
    division::Finish,
    error::Error,
    evaluator::Evaluator,
    key_switch::Lifted,
    keys::SwitchingKey,
    level::Level,
    lifting::{AT_A_TIME, Part, Scaled},
    tables::Division,
};
use crate::ring::{Cost, Ntt, Poly, Residues, for_each};

impl Evaluator {
    /// Two polynomials for what is left of a division.
    pub(super) fn unwritten_quotients(&self, division: &Division) -> [Poly<Ntt>; 2] {
        [(); 2].map(|()| Poly::unwritten(self.params.degree(), division.inverses.len()))
    }

    /// The inner product of digits at `level` with a key, plus the special modulus times two polynomials,
    /// divided. The same bits as [`Evaluator::key_switch`] and then [`Evaluator::divide`].
    ///
    /// # Errors
    /// [`Error::KeyLevelTooLow`], [`Error::ParamsMismatch`] for a key of other parameters.
    pub(super) fn switch_and_divide(
        &self,
        (level, key): (Level, &SwitchingKey),
        digits: &impl Lifted,
        summands: Option<[&Poly<Ntt>; 2]>,
        division: &Division,
        finish: [Finish<'_>; 2],
        out: &mut [Poly<Ntt>; 2],
    ) -> Result<(), Error> {
        self.check_key(level, key)?;
        let degree = self.params.degree();
        let (main, special) = (self.params.limbs_at(level), self.params.special_limbs());
        let remaining = division.inverses.len();
        let divisors = main + special - remaining;
        let switched = |limb: usize, left: &[&[u32]], [b, a]: [&mut [u32]; 2]| {
            self.multiply_with_key((level, key), limb, left, summands, [b, a]);
        };
        let share = |limbs: usize| {
            digits.cost().share(limbs, main + special).and(self.cost_of_products(digits, limbs))
        };

        let mut divided_away: [Poly<Ntt>; 2] = [(); 2].map(|()| Poly::unwritten(degree, divisors));
        let [b, a] = divided_away.each_mut().map(|half| half.residues_mut().chunks_mut(AT_A_TIME * degree));
        let pieces = (remaining..).step_by(AT_A_TIME).zip(b.zip(a));
        for_each(&*self.team, share(divisors), pieces, |(first, (b, a))| {
            digits.for_limbs(first..first + b.len() / degree, &mut |limb, left| {
                let own = (limb - first) * degree..(limb - first + 1) * degree;
                switched(limb, left, [&mut b[own.clone()], &mut a[own]]);
            });
        });
        let parts = divided_away.each_ref().map(|half| Part {
            converter: &division.converter,
            first: remaining,
            transforms: half.residues(),
        });
        let remainders = Scaled::new(self, main, parts.into());

        let [b, a] = out.each_mut().map(|half| half.residues_mut().chunks_mut(AT_A_TIME * degree));
        let pieces = (0..).step_by(AT_A_TIME).zip(b.zip(a));
        let cost = share(remaining).and(Cost::transforms(2 * remaining, degree));
        for_each(&*self.team, cost, pieces, |(first, (b, a))| {
            let length = b.len();
            let mut sums = Residues::stale(2 * length);
            let (sum0, sum1) = sums.split_at_mut(length);
            digits.for_limbs(first..first + length / degree, &mut |limb, left| {
                let own = (limb - first) * degree..(limb - first + 1) * degree;
                switched(limb, left, [&mut sum0[own.clone()], &mut sum1[own]]);
            });
            let mut space = Residues::stale(length);
            for (half, (sums, out)) in [(sum0, b), (sum1, a)].into_iter().enumerate() {
                self.divide_limbs((division, &remainders, half), first, finish[half], sums, &mut space, out);
            }
        });
        Ok(())
    }
}
