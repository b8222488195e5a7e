//! Division, with rounding, by the special modulus, by a level's primes or by both at once.

use alloc::vec::Vec;
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

/// What becomes of quotients: something may be added to each, and all may be permuted after that.
#[derive(Clone, Copy)]
pub(super) struct Finish<'a, const COUNT: usize> {
    pub(super) summands: [Option<&'a Poly<Ntt>>; COUNT],
    pub(super) permutation: Option<&'a [u32]>,
}

impl<const COUNT: usize> Finish<'_, COUNT> {
    /// They stay what they are.
    pub(super) const NONE: Self = Self { summands: [None; COUNT], permutation: None };
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
        finish: Finish<'_, COUNT>,
    ) -> Result<[Poly<Ntt>; COUNT], Error> {
        let mut out = [(); COUNT].map(|()| Poly::unwritten(self.params.degree(), division.inverses.len()));
        reusing(|| {
            let polys = polys()?;
            self.divide_into(level, division, polys.each_ref().map(P::borrow), finish, &mut out);
            Ok(())
        })?;
        Ok(out)
    }

    fn divide_into<const COUNT: usize>(
        &self,
        level: Level,
        division: &Division,
        polys: [&Poly<Ntt>; COUNT],
        finish: Finish<'_, COUNT>,
        out: &mut [Poly<Ntt>; COUNT],
    ) {
        let (ring, degree) = (self.params.ring(), self.params.degree());
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
            let mut lifted = Residues::stale(out.len());
            let mut straight = Residues::stale(finish.permutation.map_or(0, <[u32]>::len));
            let mut targets: Vec<_> = (n * AT_A_TIME..).zip(lifted.chunks_exact_mut(degree)).collect();
            remainders.convert(k, &mut targets);
            for ((i, lifted), out) in targets.into_iter().zip(out.chunks_exact_mut(degree)) {
                ring.forward_limb(i, lifted);
                let quotient = Quotient {
                    w: division.inverses[i],
                    values: polys[k].limb(i),
                    remainders: lifted,
                    summand: finish.summands[k].map(|poly| poly.limb(i)),
                };
                // Permuted in a pass of its own, from the cache: read in another order than that of memory, what
                // is divided would come too late.
                match finish.permutation {
                    None => ring.write_quotient(i, quotient, out),
                    Some(permutation) => {
                        ring.write_quotient(i, quotient, &mut straight);
                        ring.permute_limb(permutation, &straight, out);
                    }
                }
            }
        });
    }
}
