//! What linear transforms and constants multiply with: plain numbers of a program, encoded. Owns when that is done and
//! how diagonals are grouped; what is multiplied is in `encrypted`.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec,
    vec::Vec,
};

use super::transform::{Diagonal, LinearTransform};
use crate::scheme::{Encoder, Error, Level, Params, PreparedPlaintext};

/// When the factors of a program are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactorEncoding {
    /// Once, before the first evaluation: each diagonal takes `4(ℓ + k)N` bytes, for as long as the program lives.
    Ahead,
    /// In every evaluation, each when it is used: each diagonal takes 8 bytes a number, as in the program. An
    /// evaluation takes an encoding more for each, an FFT and a transform per limb, and gives the same bits.
    AsUsed,
}

/// Factors that are encoded as they are used are multiplied and added up so many at a time.
pub(crate) const FACTORS_AT_ONCE: usize = 4;

/// The diagonals of a linear transform, grouped as they are multiplied.
#[derive(Clone, Debug)]
pub(crate) enum PreparedTransform {
    /// No rotation: for each output, inputs and their factors.
    Slotwise(Vec<Vec<Term>>),
    /// Grouped by giant step.
    Rotations {
        /// Input and baby step of what is multiplied, in this order.
        rotated: Vec<(usize, u32)>,
        /// For each output, from the largest giant step down.
        giants: Vec<Vec<Giant>>,
        /// The pairs of rotations, if there are any.
        pairs: Option<Pairs>,
        /// Rotations by which the sum is added to itself, the trivial ones too.
        folds: Vec<u32>,
    },
}

/// Pairs of rotations that one product does.
#[derive(Clone, Debug)]
pub(crate) struct Pairs {
    /// By how much the second is further.
    pub(crate) distance: u32,
    /// The inputs that have any.
    pub(crate) inputs: BTreeSet<u32>,
}

/// `rotate(sum so far + Σ factor · rotated[number], rotation)`.
#[derive(Clone, Debug)]
pub(crate) struct Giant {
    /// Down to the next giant step.
    pub(crate) rotation: u32,
    pub(crate) terms: Vec<Term>,
}

/// One product of a sum.
#[derive(Clone, Debug)]
pub(crate) struct Term {
    /// Which input, or which of the rotated inputs, is multiplied.
    pub(crate) number: usize,
    /// What it is multiplied with, as in [`LinearTransform::products`].
    pub(crate) at: Diagonal,
    /// That, if it was encoded ahead. Of a transform with rotations: over the special primes too, and rotated back by
    /// the giant step.
    pub(crate) factors: Option<PreparedPlaintext>,
}

impl PreparedTransform {
    /// What was encoded ahead.
    pub(crate) fn encoded(&self) -> impl Iterator<Item = &PreparedPlaintext> {
        let (slotwise, giants): (&[Vec<Term>], &[Vec<Giant>]) = match self {
            Self::Slotwise(outputs) => (outputs, &[]),
            Self::Rotations { giants, .. } => (&[], giants),
        };
        let terms = giants.iter().flatten().flat_map(|giant| &giant.terms);
        slotwise.iter().flatten().chain(terms).filter_map(|term| term.factors.as_ref())
    }
}

/// Encodes factors at the scale of the level that they are used at.
#[derive(Clone, Debug)]
pub(crate) struct FactorEncoder {
    params: Params,
    encoder: Encoder,
    batch: usize,
}

impl FactorEncoder {
    pub(crate) fn new(params: &Params, batch: u32) -> Self {
        Self { params: params.clone(), encoder: Encoder::new(params), batch: batch as usize }
    }

    /// Groups the diagonals of a transform, and encodes them if that is done ahead.
    pub(crate) fn transform(
        &self,
        transform: &LinearTransform,
        level: Level,
        encoding: FactorEncoding,
    ) -> Result<PreparedTransform, Error> {
        let term = |number, at| {
            let factors = match encoding {
                FactorEncoding::Ahead => Some(self.diagonal(transform, at, level)?),
                FactorEncoding::AsUsed => None,
            };
            Ok(Term { number, at, factors })
        };
        let outputs = transform.diagonals.keys().map(|at| at.output as usize + 1).max().unwrap_or(0);
        if transform.is_rotation_free() {
            let mut sums = vec![vec![]; outputs];
            for &at in transform.diagonals.keys() {
                sums[at.output as usize].push(term(at.input as usize, at)?);
            }
            return Ok(PreparedTransform::Slotwise(sums));
        }
        let products = transform.products();
        let baby = |at: &Diagonal| (at.input as usize, transform.split(at.rotation).baby);
        let rotated: BTreeSet<(usize, u32)> = products.iter().map(baby).collect();
        let rotated: Vec<(usize, u32)> = rotated.into_iter().collect();
        let mut grouped: Vec<BTreeMap<u32, Vec<Term>>> = vec![BTreeMap::new(); outputs];
        for at in products {
            let number = rotated.binary_search(&baby(&at)).unwrap_or_default();
            let terms = grouped[at.output as usize].entry(transform.split(at.rotation).giant).or_default();
            terms.push(term(number, at)?);
        }
        let giants = grouped.into_iter().map(|grouped| {
            let below = core::iter::once(0).chain(grouped.keys().copied()).collect::<Vec<_>>();
            let giants = grouped.into_iter().zip(below);
            giants.map(|((giant, terms), below)| Giant { rotation: giant - below, terms }).rev().collect()
        });
        let pairs = transform.paired_by.map(|distance| Pairs { distance, inputs: transform.paired_inputs() });
        let folds = transform.folds.clone();
        Ok(PreparedTransform::Rotations { giants: giants.collect(), rotated, pairs, folds })
    }

    /// Encodes a diagonal or a pair, as [`Term::factors`] has it.
    pub(crate) fn diagonal(
        &self,
        transform: &LinearTransform,
        at: Diagonal,
        level: Level,
    ) -> Result<PreparedPlaintext, Error> {
        let [first, second] = transform.halves(at);
        if transform.is_rotation_free() {
            return self.constant(first.unwrap_or(&[0.0]), level);
        }
        let giant = transform.split(at.rotation).giant;
        // Of a pair, half of each, as the conjugate is added.
        let scaling = if transform.paired_by.is_some() { 0.5 } else { 1.0 };
        let spread = |half: Option<&[f64]>, sign: f64| {
            let factors = half.map(|values| self.spread(values, giant));
            factors.unwrap_or_default().into_iter().map(|factor| sign * scaling * factor).collect::<Vec<_>>()
        };
        let parts = [spread(first, 1.0), spread(second, -1.0)];
        self.encoder.encode_extended([&parts[0], &parts[1]], level, self.params.scale_at(level))
    }

    /// Encodes periodic values.
    pub(crate) fn constant(&self, values: &[f64], level: Level) -> Result<PreparedPlaintext, Error> {
        let spread = self.spread(values, 0);
        self.encoder.prepare(&self.encoder.encode_real(&spread, level, self.params.scale_at(level))?)
    }

    /// Periodic values in all slots, the same for all samples, rotated to the right.
    fn spread(&self, values: &[f64], right: u32) -> Vec<f64> {
        let slots = self.params.slots() / self.batch;
        let start = slots - right as usize;
        let one = (start..start + slots).map(|slot| values[slot % values.len()]);
        one.flat_map(|value| core::iter::repeat_n(value, self.batch)).collect()
    }
}
