//! The best of many: whether encryption changes which outputs are the largest ones, and their order.

use serde::Serialize;

/// How many of the largest outputs are looked at.
const BEST: usize = 10;

/// A model with fewer outputs than this has classes; one with more is searched.
const FEWEST: usize = 100;

/// The ten largest outputs of each sample, in plain numbers and encrypted.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Ranking {
    /// Samples compared.
    pub samples: usize,
    /// Those whose ten largest outputs are the same.
    pub same: usize,
    /// Those whose ten largest outputs are the same in the same order.
    pub same_order: usize,
    /// The largest difference, in plain numbers, between an output that left the ten and one that came.
    pub widest_swap: f64,
}

impl Ranking {
    /// Starts a comparison, for a model with enough outputs.
    pub(crate) fn of(outputs: usize) -> Option<Self> {
        (outputs >= FEWEST).then(Self::default)
    }

    /// Compares the outputs of a sample.
    pub(crate) fn add(&mut self, plain: &[f64], encrypted: &[f64]) {
        let (expected, found) = (best(plain), best(encrypted));
        let left = expected.iter().filter(|i| !found.contains(i)).map(|&i| plain[i]).reduce(f64::max);
        let came = found.iter().filter(|i| !expected.contains(i)).map(|&i| plain[i]).reduce(f64::min);
        self.samples += 1;
        self.same_order += usize::from(expected == found);
        match left.zip(came) {
            Some((left, came)) => self.widest_swap = self.widest_swap.max(left - came),
            None => self.same += 1,
        }
    }
}

/// The places of the largest numbers, the largest first; of equal ones, the first.
fn best(output: &[f64]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..output.len()).collect();
    places.sort_by(|&a, &b| output[b].total_cmp(&output[a]));
    places.truncate(BEST);
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_new_order_from_new_members() {
        let plain: Vec<f64> = (0..100).map(|i| f64::from(i) / 100.0).collect();
        let mut ranking = Ranking::of(plain.len()).expect("enough outputs");
        ranking.add(&plain, &plain);
        let mut turned = plain.clone();
        turned.swap(98, 99);
        ranking.add(&plain, &turned);
        assert_eq!((ranking.samples, ranking.same, ranking.same_order), (2, 2, 1));
        let mut other = plain.clone();
        other[80] = 2.0;
        ranking.add(&plain, &other);
        assert_eq!((ranking.samples, ranking.same, ranking.same_order), (3, 2, 1));
        assert!((ranking.widest_swap - 0.1).abs() < 1e-12, "0.90 left, 0.80 came: {}", ranking.widest_swap);
    }

    #[test]
    fn a_model_with_few_outputs_has_none() {
        assert_eq!(Ranking::of(99), None);
    }
}
