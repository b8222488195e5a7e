//! A sparse matrix between two arrangements as rotations: diagonals, and sums of parts.
//!
//! With a source of period P and a target of period Q below it, slot s collects a part of the
//! row that slot s mod Q of the target holds, by rotations below Q only; log₂(P/Q) further
//! rotations by Q, 2Q, 4Q, … add the parts up, each of which leaves the sum repeated.
//!
//! Source: Halevi, Shoup (eprint 2014/106), section 4.3, for the diagonals; Juvekar, Vaikuntanathan,
//! Chandrakasan, "GAZELLE" (eprint 2018/073), section 4, for the hybrid of diagonals and sums.

use std::collections::{BTreeMap, BTreeSet};

use ckks_core::LinearTransform;

use crate::{arrange::Arrangement, sparse::SparseMatrix};

/// What a baby step, a giant step or fold, a diagonal and a key cost, in key switches. Counted in
/// transforms of one limb at six limbs, three digits and two special primes: 47 a key switch, 9 a baby
/// step, 41 a giant step, 2 a diagonal.
const BABY: f64 = 0.2;
const GIANT: f64 = 0.87;
const DIAGONAL: f64 = 0.045;
const KEY: f64 = 0.05;

/// How a matrix is applied to a packed vector.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Packing {
    /// For each rotation: factors by slot within the period.
    cells: BTreeMap<u32, Vec<(u32, f64)>>,
    period: usize,
    baby_steps: u32,
    /// The rotations that add parts up.
    pub(crate) folds: Vec<u32>,
    /// In key switches at the level of the layer.
    pub(crate) cost: f64,
}

impl Packing {
    /// The cheapest way to take a vector from one arrangement to another by a matrix.
    pub(crate) fn new(matrix: &SparseMatrix, source: &Arrangement, target: &Arrangement) -> Self {
        // A dense matrix takes all rotations below the target's period, however they are chosen.
        let others = [(true, true), (false, true), (false, false)];
        let others = others.into_iter().filter(|_| !matrix.is_dense());
        let others = others.map(|(folded, popular)| Self::with(matrix, source, target, folded, popular));
        let first = Self::with(matrix, source, target, true, false);
        others.fold(first, |best, other| if other.cost < best.cost { other } else { best })
    }

    fn with(
        matrix: &SparseMatrix,
        source: &Arrangement,
        target: &Arrangement,
        folded: bool,
        popular: bool,
    ) -> Self {
        let (from, to) = (source.period(), target.period());
        let period = from.max(to);
        // Slots that share a row, and groups of them that all compute it.
        let (parts, groups) = if folded { (period / to, 1) } else { (1, period / to) };
        let places = |row: usize, column: usize| {
            let starts = target.slots_of(row).iter();
            starts.flat_map(move |&start| {
                (0..groups).map(move |group| {
                    let first = start as usize + group * to;
                    source.slots_of(column).iter().map(move |&slot| {
                        let distance = (slot as usize + period - first) % from.max(to);
                        let part = if parts > 1 { distance / to } else { 0 };
                        ((distance - part * to) % from, first + part * to)
                    })
                })
            })
        };
        let mut counts = vec![0u32; from];
        if popular {
            for row in 0..matrix.rows() {
                for (column, _) in matrix.row(row) {
                    places(row, column).flatten().for_each(|(rotation, _)| counts[rotation] += 1);
                }
            }
        }
        let mut cells = vec![vec![]; from];
        for row in 0..matrix.rows() {
            for (column, factor) in matrix.row(row) {
                for options in places(row, column) {
                    let rank = |rotation: usize| (u32::MAX - counts[rotation], rotation);
                    if let Some((rotation, slot)) = options.min_by_key(|(rotation, _)| rank(*rotation)) {
                        cells[rotation].push((slot as u32, factor));
                    }
                }
            }
        }
        let used = cells.into_iter().enumerate().filter(|(_, cells)| !cells.is_empty());
        let mut cells: BTreeMap<u32, Vec<(u32, f64)>> = used.map(|(k, cells)| (k as u32, cells)).collect();
        if cells.is_empty() {
            cells.insert(0, vec![]);
        }
        let (baby_steps, cost) = baby_steps(&cells, period);
        let folds: Vec<u32> = (0..parts.ilog2()).map(|log| (to << log) as u32).collect();
        let cost = cost + (GIANT + KEY) * folds.len() as f64;
        Self { cells, period, baby_steps, folds, cost }
    }

    /// The rotations that collect, without the folds.
    pub(crate) fn transform(&self) -> LinearTransform {
        let diagonals = self.cells.iter().map(|(&rotation, cells)| {
            let mut diagonal = vec![0.0; self.period];
            cells.iter().for_each(|&(slot, factor)| diagonal[slot as usize] += factor);
            (rotation, diagonal)
        });
        LinearTransform { diagonals: diagonals.collect(), baby_steps: self.baby_steps, folds: vec![] }
    }
}

/// The split of the rotations into baby and giant steps that costs least, and its cost.
fn baby_steps(cells: &BTreeMap<u32, Vec<(u32, f64)>>, period: usize) -> (u32, f64) {
    let candidates = (0..=period.ilog2()).map(|log| 1u32 << log);
    let cost = |steps: u32| {
        let rotations = cells.keys().copied();
        let babies: BTreeSet<u32> = rotations.clone().map(|k| k % steps).filter(|&k| k != 0).collect();
        let giants: BTreeSet<u32> = rotations.map(|k| k - k % steps).chain([0]).collect();
        let distances: BTreeSet<u32> = giants.iter().zip(giants.iter().skip(1)).map(|(a, b)| b - a).collect();
        let keys = babies.len() + distances.len();
        BABY * babies.len() as f64
            + GIANT * (giants.len() - 1) as f64
            + DIAGONAL * cells.len() as f64
            + KEY * keys as f64
    };
    let costs = candidates.map(|steps| (steps, cost(steps)));
    costs.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((1, f64::INFINITY))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arrange::layout;

    const SLOTS: usize = 1024;

    /// Applies transform and folds to a packed vector.
    fn product(packing: &Packing, packed: &[f64]) -> Vec<f64> {
        let collected = packing.transform().apply(packed);
        packing.folds.iter().fold(collected, |sum, &steps| {
            (0..SLOTS).map(|s| sum[s] + sum[(s + steps as usize) % SLOTS]).collect()
        })
    }

    fn repeated(period: &[f64]) -> Vec<f64> {
        period.iter().copied().cycle().take(SLOTS).collect()
    }

    fn assert_multiplies(matrix: &SparseMatrix, source: &Arrangement, target: &Arrangement) {
        let x: Vec<f64> = (0..matrix.columns()).map(|i| i as f64 / 8.0 - 1.0).collect();
        for (folded, popular) in [(true, true), (true, false), (false, true), (false, false)] {
            let packing = Packing::with(matrix, source, target, folded, popular);
            let found = product(&packing, &repeated(&source.spread(&x)));
            let expected = repeated(&target.spread(&matrix.apply(&x)));
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-9, "{found} {expected}");
            }
        }
    }

    fn matrix(rows: usize, columns: usize, every: usize) -> SparseMatrix {
        let entry = move |r: usize, c: usize| ((r * columns + c) * 37 % 97) as f64 / 50.0 - 1.0;
        SparseMatrix::from_rows(
            columns,
            (0..rows).map(|r| (r % every..columns).step_by(every).map(move |c| (c, entry(r, c)))),
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_packing_multiplies_by_the_matrix_and_leaves_other_slots_empty(
            rows in prop::sample::select(vec![vec![5], vec![3, 4], vec![2, 3, 5]]),
            columns in prop::sample::select(vec![vec![7], vec![4, 6], vec![1, 7, 6], vec![2, 4, 4]]),
            every in 1usize..4, choice in any::<[prop::sample::Index; 2]>(), filled: bool,
        ) {
            let candidates = [&columns, &rows].map(|shape| Arrangement::candidates(shape, SLOTS));
            let [source, target] = [0, 1].map(|i| choice[i].get(&candidates[i]).clone());
            let source = if filled { source.filled() } else { source };
            assert_multiplies(&matrix(rows.iter().product(), columns.iter().product(), every), &source, &target);
        }
    }

    #[test]
    fn the_first_layer_of_a_digit_network_takes_fifteen_rotations() {
        let source = Arrangement::of_layout(layout([(32, 1), (4, 0), (32, 32)]), 784);
        let packing = Packing::new(&matrix(128, 784, 1), &source, &Arrangement::plain(128));
        let transform = packing.transform();
        let counts =
            [transform.baby_rotations().len(), transform.giant_rotations().len(), packing.folds.len()];
        assert_eq!(counts, [7, 3, 5]);
    }

    #[test]
    fn one_row_needs_sums_only() {
        let source = Arrangement::plain(30);
        let packing = Packing::new(&matrix(1, 30, 1), &source, &Arrangement::plain(1));
        assert_eq!((packing.transform().diagonals.len(), &packing.folds[..]), (1, &[1, 2, 4, 8, 16][..]));
    }

    #[test]
    fn a_convolution_of_stride_two_reads_a_few_rotations_of_an_image_cut_into_squares() {
        let taps = |map: usize, y: usize, x: usize| {
            (0..25).map(move |k| ((2 * y + k / 5) * 28 + 2 * x + k % 5, (map * 25 + k + 1) as f64 / 125.0))
        };
        let rows = (0..5 * 144).map(|i| taps(i / 144, i / 12 % 12, i % 12));
        let matrix = SparseMatrix::from_rows(784, rows);
        let best = |sources: Vec<Arrangement>| {
            let targets = Arrangement::candidates(&[5, 12, 12], 4096);
            let pairs = sources.iter().flat_map(|source| targets.iter().map(move |target| (source, target)));
            let packings = pairs.map(|(source, target)| Packing::new(&matrix, source, target));
            packings.min_by(|a, b| a.cost.total_cmp(&b.cost)).expect("a candidate")
        };
        let packing = best(Arrangement::candidates(&[1, 28, 28], 4096));
        let transform = packing.transform();
        let switches =
            transform.baby_rotations().len() + transform.giant_rotations().len() + packing.folds.len();
        assert!(switches <= 11, "{switches}");
    }
}
