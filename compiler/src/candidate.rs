//! What parameters cost: the time of an evaluation, by one model for ring degrees and digit groupings alike, and the
//! bytes of its keys.

use ckks_core::{CompressedGaloisKey, CompressedRelinearizationKey, Params, ProgramFacts};
use serde::Serialize;

use crate::compile::Objective;

/// What the product of two residues costs, in butterflies: most of it is reading one of them from memory.
const PRODUCT: f64 = 0.6;
/// What a product in a base conversion costs, in butterflies.
const CONVERSION: f64 = 0.35;
/// What a residue that a key switch gives costs besides, in butterflies: it is written, permuted and added up.
const SWITCHED: f64 = 3.0;
/// How far the ratio of two times can be from that of their costs: with every grouping that the rings of six shipped
/// models carry, up to 0.08 was measured on four of them, 0.10 and 0.14 on the others.
const ACCURACY: f64 = 0.1;

/// Parameters and what the model takes with them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// log₂ N.
    pub log_degree: u8,
    /// Primes in a digit of key switching, and special primes.
    pub digit_primes: u8,
    /// Key switches.
    pub key_switches: usize,
    /// Butterflies of all transforms, and what products, base conversions and results of key switches cost beside them, in
    /// millions.
    pub cost: f64,
    /// Bytes of all evaluation keys.
    pub key_bytes: usize,
    /// Samples that a request can hold.
    pub batch: u32,
}

impl Candidate {
    pub(crate) fn new(params: &Params, facts: &ProgramFacts, batch: u32) -> Self {
        let relinearization = facts.keys.relinearization.iter();
        let relinearization =
            relinearization.map(|&level| CompressedRelinearizationKey::encoded_len(params, level));
        let galois = facts.keys.galois.values().map(|&level| CompressedGaloisKey::encoded_len(params, level));
        let spec = params.spec();
        Self {
            log_degree: spec.log_degree,
            digit_primes: spec.digit_primes,
            key_switches: facts.key_switches,
            cost: butterflies(spec.log_degree, facts) / 1e6,
            key_bytes: relinearization.chain(galois).sum(),
            batch,
        }
    }

    /// What is made as small as possible.
    pub(crate) fn cost_for(&self, objective: Objective) -> f64 {
        match objective {
            Objective::Latency => self.cost,
            Objective::Keys => self.key_bytes as f64,
            Objective::Throughput => self.cost / f64::from(self.batch),
        }
    }

    /// Whether another one of the same ring is neither slower nor has larger keys.
    fn is_behind(&self, other: &Self) -> bool {
        let (own, others) = ((self.cost, self.key_bytes), (other.cost, other.key_bytes));
        self.log_degree == other.log_degree && own != others && own.0 >= others.0 && own.1 >= others.1
    }
}

/// Butterflies of all transforms, and everything else in butterflies.
fn butterflies(log_degree: u8, facts: &ProgramFacts) -> f64 {
    let transforms = facts.limb_transforms as f64 * f64::from(log_degree) / 2.0;
    let products = facts.limb_products as f64 * PRODUCT;
    let conversions = facts.limb_conversions as f64 * CONVERSION;
    let switched = facts.switched_limbs as f64 * SWITCHED;
    (transforms + products + conversions + switched) * f64::from(log_degree).exp2()
}

/// The best: of those whose time the model cannot tell from the least, that with the smallest keys; for the smallest
/// keys, of equal ones the fastest.
pub(crate) fn best(candidates: &[Candidate], objective: Objective) -> Option<usize> {
    let cost = |candidate: &Candidate| candidate.cost_for(objective);
    let least = candidates.iter().map(cost).fold(f64::INFINITY, f64::min);
    let most = if objective == Objective::Keys { least } else { least * (1.0 + ACCURACY) };
    let order = |a: &usize, b: &usize| {
        let (a, b) = (&candidates[*a], &candidates[*b]);
        a.key_bytes.cmp(&b.key_bytes).then(a.cost.total_cmp(&b.cost))
    };
    (0..candidates.len()).filter(|at| cost(&candidates[*at]) <= most).min_by(order)
}

/// The chosen one, and those that could be the best of their ring for somebody: no other is neither slower nor has
/// larger keys.
pub(crate) fn worth_telling(candidates: &[Candidate], chosen: usize) -> Vec<Candidate> {
    let is_in_front = |one: &Candidate| !candidates.iter().any(|other| one.is_behind(other));
    let told = candidates.iter().enumerate().filter(|(at, one)| *at == chosen || is_in_front(one));
    told.map(|(_, one)| one.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(digit_primes: u8, cost: f64, key_bytes: usize) -> Candidate {
        Candidate { log_degree: 14, digit_primes, key_switches: 1, cost, key_bytes, batch: 1 }
    }

    #[test]
    fn the_fastest_is_best_and_the_smallest_keys_where_they_are_wanted() {
        let candidates = [candidate(1, 3.0, 5), candidate(2, 2.0, 3), candidate(3, 1.0, 4)];
        assert_eq!(best(&candidates, Objective::Latency), Some(2));
        assert_eq!(best(&candidates, Objective::Throughput), Some(2));
        assert_eq!(best(&candidates, Objective::Keys), Some(1));
        assert_eq!(best(&[], Objective::Latency), None);
    }

    #[test]
    fn of_times_that_the_model_cannot_tell_apart_the_smaller_keys_are_best() {
        let near = 1.0 + ACCURACY / 2.0;
        let candidates = [candidate(1, 1.0, 5), candidate(2, near, 4), candidate(3, 1.0 + 2.0 * ACCURACY, 3)];
        assert_eq!(best(&candidates, Objective::Latency), Some(1));
        assert_eq!(best(&candidates, Objective::Keys), Some(2));
    }

    #[test]
    fn of_equal_keys_the_fastest_is_best() {
        let candidates = [candidate(1, 2.0, 3), candidate(2, 1.0, 3)];
        assert_eq!(best(&candidates, Objective::Keys), Some(1));
    }

    #[test]
    fn what_another_of_its_ring_beats_is_not_told() {
        let larger = Candidate { log_degree: 15, ..candidate(1, 9.0, 9) };
        let all = [candidate(1, 2.0, 5), candidate(2, 1.0, 6), candidate(3, 2.0, 6), larger.clone()];
        assert_eq!(worth_telling(&all, 0), [all[0].clone(), all[1].clone(), larger]);
        assert_eq!(worth_telling(&all, 2), all);
    }
}
