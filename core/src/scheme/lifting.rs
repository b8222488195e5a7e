//! Conversions of transforms to other primes: the first half of a key switch, and of a division. Owns the way back to
//! coefficients and what all targets of a conversion share; knows no keys.

use alloc::vec::Vec;

use super::{evaluator::Evaluator, params::Params};
use crate::ring::{BaseConverter, Cost, Interleaved, Residues, for_each};

/// Limbs that are converted together: those of a polynomial from the `first` on, as transforms.
pub(super) struct Part<'a> {
    pub(super) converter: &'a BaseConverter,
    pub(super) first: usize,
    pub(super) transforms: &'a [u32],
}

impl Part<'_> {
    /// How many limbs it has.
    pub(super) fn limbs(&self, degree: usize) -> usize {
        self.transforms.len() / degree
    }
}

/// How many limbs of a polynomial are converted to at a time: what is converted does not stay in the second cache, so
/// that each pass over it should serve two.
pub(super) const AT_A_TIME: usize = 2;

/// Limbs scaled for one or several conversions.
pub(super) struct Scaled<'a> {
    pub(super) params: &'a Params,
    pub(super) parts: Vec<Part<'a>>,
    sources: Vec<Interleaved>,
}

impl<'a> Scaled<'a> {
    /// From parts of polynomials over `main` main primes and, if they have more limbs, the special ones. An inverse
    /// transform for each limb.
    pub(super) fn new(evaluator: &'a Evaluator, main: usize, parts: Vec<Part<'a>>) -> Self {
        let (params, team) = (&evaluator.params, &*evaluator.team);
        let (ring, degree) = (params.ring(), params.degree());
        let count = parts.iter().map(|part| part.limbs(degree)).sum();
        let mut limbs = Residues::stale(count * degree);
        let transforms = parts.iter().flat_map(|part| {
            part.transforms.chunks_exact(degree).enumerate().map(move |(i, transform)| (part, i, transform))
        });
        let pieces = transforms.zip(limbs.chunks_exact_mut(degree));
        for_each(team, Cost::transforms(count, degree), pieces, |((part, i, transform), limb)| {
            let prime = ring.prime_of_limb(main, part.first + i);
            ring.inverse_limb_scaled(prime, part.converter.scaling(i), transform, limb);
        });
        let mut sources: Vec<_> = parts.iter().map(|part| part.converter.unwritten_sources(degree)).collect();
        let mut rest = &*limbs;
        let pieces = parts.iter().zip(&mut sources).map(|(part, sources)| {
            let (own, others) = rest.split_at(part.transforms.len());
            rest = others;
            (part, own, sources)
        });
        for_each(team, Cost::passes(3 * count, degree), pieces, |(part, limbs, sources)| {
            let limbs: Vec<&[u32]> = limbs.chunks_exact(degree).collect();
            part.converter.lay(ring.backend(), &limbs, sources);
        });
        Self { params, parts, sources }
    }

    /// Converts a part to main primes, those of limbs from the `first` on, and begins to transform them.
    pub(super) fn begin(&self, part: usize, first: usize, limbs: &mut [u32]) {
        let limbs = (first..).zip(limbs.chunks_exact_mut(self.params.degree()));
        let mut targets: Vec<_> = limbs.map(|(prime, limb)| Target { number: prime, prime, limb }).collect();
        self.begin_targets(part, &mut targets);
    }

    /// As [`Scaled::begin`], to any targets.
    pub(super) fn begin_targets(&self, part: usize, targets: &mut [Target<'_>]) {
        let (ring, converter) = (self.params.ring(), self.parts[part].converter);
        let (backend, sources) = (ring.backend(), &self.sources[part]);
        for pair in targets.chunks_mut(AT_A_TIME) {
            match pair {
                [x, y] => {
                    let limbs = [&mut *x.limb, &mut *y.limb];
                    converter.convert_two(backend, [x.number, y.number], sources, limbs);
                }
                [x] => converter.convert(backend, x.number, sources, x.limb),
                _ => {}
            }
            pair.iter_mut().for_each(|target| ring.begin_forward(target.prime, target.limb));
        }
    }
}

/// What a part is converted to.
pub(super) struct Target<'a> {
    /// Its number among those of the converter.
    pub(super) number: usize,
    pub(super) prime: usize,
    pub(super) limb: &'a mut [u32],
}
