//! What each level needs precomputed: conversions between its primes and the inverses it divides by.

use alloc::vec::Vec;

use super::spec::ParamsSpec;
use crate::{
    arithmetic::{Modulus, ShoupFactor},
    ring::{BaseConverter, MAX_SOURCES, Ring},
};

/// The tables of one level.
pub(crate) struct LevelTables {
    /// Number of main limbs.
    pub(crate) limbs: usize,
    /// For each digit: from its primes to the level's other primes and the special ones.
    pub(crate) digits: Vec<BaseConverter>,
    /// Division by the special modulus.
    pub(crate) special: Division,
    /// Division by the level's own primes; absent at level 0.
    pub(crate) rescale: Option<Division>,
    /// Division by both at once; absent at level 0, and where they are too many for one conversion.
    pub(crate) rescale_extended: Option<Division>,
    /// The special modulus modulo each of the main primes.
    pub(crate) special_product: Vec<ShoupFactor>,
}

/// Division, with rounding, of a polynomial by the product of some of its primes.
pub(crate) struct Division {
    /// From the primes divided by to the ones that stay.
    pub(crate) converter: BaseConverter,
    /// The product's inverse modulo each prime that stays.
    pub(crate) inverses: Vec<ShoupFactor>,
}

impl Division {
    fn new(divisors: &[Modulus], remaining: &[Modulus]) -> Self {
        let inverse = |m: &Modulus| {
            let product = divisors.iter().fold(1, |p, d| m.mul(p, m.reduce_public(d.value().into())));
            m.shoup(m.invert(product))
        };
        Self {
            converter: BaseConverter::new(divisors, remaining.iter().copied()),
            inverses: remaining.iter().map(inverse).collect(),
        }
    }
}

impl LevelTables {
    /// The tables of every level of a chain, lowest first.
    pub(crate) fn for_chain(spec: &ParamsSpec, ring: &Ring) -> Vec<Self> {
        let mut limbs = 0;
        spec.levels
            .iter()
            .map(|group| {
                let below = limbs;
                limbs += group.len();
                Self::new(spec, ring, below, limbs)
            })
            .collect()
    }

    fn new(spec: &ParamsSpec, ring: &Ring, below: usize, limbs: usize) -> Self {
        let main = &ring.moduli()[..limbs];
        let size = usize::from(spec.digit_primes);
        let digits = (0..limbs)
            .step_by(size)
            .map(|start| {
                let digit = start..(start + size).min(limbs);
                let others = main[..digit.start].iter().chain(&main[digit.end..]).chain(ring.special());
                BaseConverter::new(&main[digit.clone()], others.copied())
            })
            .collect();
        let own_and_special: Vec<Modulus> = main[below..].iter().chain(ring.special()).copied().collect();
        let product = |m: &Modulus| {
            let residues = ring.special().iter().map(|special| m.reduce_public(special.value().into()));
            m.shoup(residues.fold(1, |product, residue| m.mul(product, residue)))
        };
        Self {
            limbs,
            digits,
            special: Division::new(ring.special(), main),
            rescale: (below > 0).then(|| Division::new(&main[below..], &main[..below])),
            rescale_extended: (below > 0 && own_and_special.len() <= MAX_SOURCES)
                .then(|| Division::new(&own_and_special, &main[..below])),
            special_product: main.iter().map(product).collect(),
        }
    }
}
