//! Division, with rounding, by the special modulus, by a level's primes or by both at once.

use core::borrow::Borrow;

use super::{
    error::Error,
    evaluator::Evaluator,
    key_switch::limbs_of,
    level::Level,
    lifting::{AT_A_TIME, Part, Scaled},
    tables::Division,
};
use crate::ring::{Cost, Ntt, Poly, Quotient, Residues, for_each, reusing};

/// What becomes of a quotient: something may be added to it, and it may be permuted after that.
#[derive(Clone, Copy, Default)]
pub(super) struct Finish<'a> {
    pub(super) summand: Option<&'a Poly<Ntt>>,
    pub(super) permutation: Option<&'a [u32]>,
}

impl Evaluator {
    /// Divides polynomials over the primes of `level`, and the special ones if they have more limbs, by the primes of
    /// their last limbs, which go away.
    ///
    /// `polys` is called for them where memory is used again, so that what it makes costs no allocation.
    ///
    /// # Errors
    /// Those of `polys`.
    pub(super) fn divide<P: Borrow<Poly<Ntt>>, const COUNT: usize>(
        &self,
        level: Level,
        division: &Division,
        polys: impl FnOnce() -> Result<[P; COUNT], Error>,
    ) -> Result<[Poly<Ntt>; COUNT], Error> {
        let mut out = [(); COUNT].map(|()| Poly::unwritten(self.params.degree(), division.inverses.len()));
        reusing(|| {
            let polys = polys()?;
            self.divide_into(level, division, polys.each_ref().map(P::borrow), &mut out);
            Ok(())
        })?;
        Ok(out)
    }

    fn divide_into<const COUNT: usize>(
        &self,
        level: Level,
        division: &Division,
        polys: [&Poly<Ntt>; COUNT],
        out: &mut [Poly<Ntt>; COUNT],
    ) {
        let degree = self.params.degree();
        let remaining = division.inverses.len();
        let parts = polys.map(|poly| Part {
            converter: &division.converter,
            first: remaining,
            transforms: &poly.residues()[remaining * degree..],
        });
        let remainders = Scaled::new(self, self.params.limbs_at(level), parts.into());
        let cost = Cost::transforms(COUNT * remaining, degree);
        let limbs = limbs_of(AT_A_TIME * degree, out.iter_mut().map(Poly::residues_mut));
        for_each(&*self.team, cost, limbs, |(k, n, out)| {
            let mut space = Residues::stale(out.len());
            let values = &polys[k].residues()[n * AT_A_TIME * degree..][..out.len()];
            let what = (division, &remainders, k);
            self.divide_limbs(what, n * AT_A_TIME, Finish::default(), values, &mut space, out);
        });
    }

    /// Divides a few limbs, from the `first` on, of one polynomial; there is `space` for as many.
    pub(super) fn divide_limbs(
        &self,
        (division, remainders, half): (&Division, &Scaled<'_>, usize),
        first: usize,
        finish: Finish<'_>,
        values: &[u32],
        space: &mut [u32],
        out: &mut [u32],
    ) {
        let (ring, degree) = (self.params.ring(), self.params.degree());
        let mut straight = Residues::stale(finish.permutation.map_or(0, <[u32]>::len));
        remainders.begin(half, first, space);
        let limbs = values.chunks_exact(degree).zip(space.chunks_exact_mut(degree));
        for (limb, ((values, remainders), out)) in (first..).zip(limbs.zip(out.chunks_exact_mut(degree))) {
            ring.finish_forward(limb, remainders);
            let summand = finish.summand.map(|poly| poly.limb(limb));
            let quotient = Quotient { w: division.inverses[limb], values, remainders, summand };
            // Permuted in a pass of its own, from the cache: read in another order than that of memory, what is
            // divided would come too late.
            match finish.permutation {
                None => ring.write_quotient(limb, quotient, out),
                Some(permutation) => {
                    ring.write_quotient(limb, quotient, &mut straight);
                    ring.permute_limb(permutation, &straight, out);
                }
            }
        }
    }
}
