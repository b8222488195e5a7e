//! A sparse matrix between two arrangements as rotations: diagonals, and sums of parts.
//!
//! With a source of period P and a target of period Q below it, slot s collects a part of the
//! row that slot s mod Q of the target holds, by rotations below Q only; log₂(P/Q) further
//! rotations by Q, 2Q, 4Q, … add the parts up, each of which leaves the sum repeated.
//! A vector over several ciphertexts has the period of one, and a block of the matrix for each.
//!
//! Source: Halevi, Shoup (eprint 2014/106), section 4.3, for the diagonals; Juvekar, Vaikuntanathan,
//! Chandrakasan, "GAZELLE" (eprint 2018/073), section 4, for the hybrid of diagonals and sums.

use std::collections::{BTreeMap, BTreeSet};

use ckks_core::{Diagonal, LinearTransform};

use crate::{arrange::Arrangement, compile::Objective, sparse::SparseMatrix};

/// What a baby step, a giant step or fold, a product with a diagonal and a key cost, in key switches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Prices {
    baby: f64,
    giant: f64,
    diagonal: f64,
    /// The rotation of an input that pairs are made of, or the conjugation of an output; none where there are to be no
    /// pairs.
    pair: Option<f64>,
    key: f64,
}

impl Prices {
    /// Counted in transforms of one limb at six limbs, three digits and two special primes: 47 a key switch,
    /// 9 a baby step, 41 a giant step, and what pairs are made of and their conjugation as much, 2 a diagonal. The
    /// digits are not known here: they are chosen for the packed program, by [`Candidate`](crate::Candidate)'s cost,
    /// which for that chain gives 0.21, 0.84 and 0.03 of a key switch at 2^13.
    pub(crate) fn of(objective: Objective) -> Self {
        let key = match objective {
            Objective::Latency | Objective::Throughput => 0.05,
            Objective::Keys => 5.0,
        };
        Self { baby: 0.2, giant: 0.87, diagonal: 0.045, pair: Some(0.87), key }
    }

    /// The same for packings without pairs, which are more precise by up to half a bit a layer.
    pub(crate) fn without_pairs(self) -> Self {
        Self { pair: None, ..self }
    }
}

/// How a matrix is applied to a packed vector.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Packing {
    /// For each diagonal: factors by slot within the period.
    cells: BTreeMap<Diagonal, Vec<(u32, f64)>>,
    period: usize,
    /// Ciphertexts that are read.
    inputs: u32,
    /// The rotations that add parts up.
    pub(crate) folds: Vec<u32>,
    /// In key switches at the level of the layer.
    pub(crate) cost: f64,
}

/// What a packing is made for: the slots of a sample in a ciphertext, and what operations cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conditions {
    pub(crate) slots: usize,
    pub(crate) prices: Prices,
}

impl Packing {
    /// The cheapest way to take a vector from one arrangement to another by a matrix.
    pub(crate) fn new(
        matrix: &SparseMatrix,
        source: &Arrangement,
        target: &Arrangement,
        conditions: Conditions,
    ) -> Self {
        // A dense matrix takes all rotations below the target's period, however they are chosen.
        let others = [(true, true), (false, true), (false, false)];
        let others = others.into_iter().filter(|_| !matrix.is_dense());
        let others =
            others.map(|(folded, popular)| Self::with(matrix, source, target, conditions, folded, popular));
        let first = Self::with(matrix, source, target, conditions, true, false);
        others.fold(first, |best, other| if other.cost < best.cost { other } else { best })
    }

    fn with(
        matrix: &SparseMatrix,
        source: &Arrangement,
        target: &Arrangement,
        conditions: Conditions,
        folded: bool,
        popular: bool,
    ) -> Self {
        let slots = conditions.slots;
        let (inputs, outputs) = (source.ciphertexts(slots), target.ciphertexts(slots));
        let (from, to) = (source.period().min(slots), target.period().min(slots));
        let period = from.max(to);
        // Slots that share a row, and groups of them that all compute it.
        let (parts, groups) = if folded { (period / to, 1) } else { (1, period / to) };
        // For each place that a product is needed at: where its cell can be, as a number, and its slot.
        let places = |row: usize, column: usize| {
            let starts = target.slots_of(row).iter();
            starts.flat_map(move |&start| {
                let (output, start) = (start as usize / slots, start as usize % slots);
                (0..groups).map(move |group| {
                    let first = start + group * to;
                    source.slots_of(column).iter().map(move |&slot| {
                        let (input, slot) = (slot as usize / slots, slot as usize % slots);
                        let distance = (slot + period - first) % period;
                        let part = if parts > 1 { distance / to } else { 0 };
                        let rotation = (distance - part * to) % from;
                        ((output * inputs + input) * from + rotation, first + part * to)
                    })
                })
            })
        };
        let mut counts = vec![0u32; inputs * from];
        if popular {
            for row in 0..matrix.rows() {
                for (column, _) in matrix.row(row) {
                    let cells = places(row, column).flatten();
                    cells.for_each(|(cell, _)| counts[cell % (inputs * from)] += 1);
                }
            }
        }
        let mut cells = vec![vec![]; outputs * inputs * from];
        for row in 0..matrix.rows() {
            for (column, factor) in matrix.row(row) {
                for options in places(row, column) {
                    let rank = |cell: usize| (u32::MAX - counts[cell % (inputs * from)], cell);
                    if let Some((cell, slot)) = options.min_by_key(|(cell, _)| rank(*cell)) {
                        cells[cell].push((slot as u32, factor));
                    }
                }
            }
        }
        let at = |cell: usize| Diagonal {
            output: (cell / from / inputs) as u32,
            input: (cell / from % inputs) as u32,
            rotation: (cell % from) as u32,
        };
        let used = cells.into_iter().enumerate().filter(|(_, cells)| !cells.is_empty());
        let mut cells: BTreeMap<Diagonal, Vec<(u32, f64)>> = used.map(|(k, cells)| (at(k), cells)).collect();
        let empty = |output: &u32| !cells.keys().any(|at| at.output == *output);
        let empty: Vec<u32> = (0..outputs as u32).filter(empty).collect();
        cells.extend(empty.into_iter().map(|output| (Diagonal { output, ..0.into() }, vec![])));
        let Split { cost, .. } = Split::cheapest(cells.keys(), period, conditions.prices);
        let folds: Vec<u32> = (0..parts.ilog2()).map(|log| (to << log) as u32).collect();
        let fold = conditions.prices.giant * outputs as f64 + conditions.prices.key;
        let cost = cost + fold * folds.len() as f64;
        Self { cells, period, inputs: inputs as u32, folds, cost }
    }
}

/// The transform that applies each packing to vectors of its own and adds the results up; the folds are those
/// that all of them have.
pub(crate) fn transform(packings: &[&Packing], prices: Prices) -> LinearTransform {
    let mut diagonals = BTreeMap::new();
    let mut first = 0;
    for packing in packings {
        for (at, cells) in &packing.cells {
            let mut diagonal = vec![0.0; packing.period];
            cells.iter().for_each(|&(slot, factor)| diagonal[slot as usize] += factor);
            diagonals.insert(Diagonal { input: first + at.input, ..*at }, diagonal);
        }
        first += packing.inputs;
    }
    let period = packings.iter().map(|packing| packing.period).max().unwrap_or(1);
    let Split { baby_steps, paired_by, .. } = Split::cheapest(diagonals.keys(), period, prices);
    let folds = packings.first().map_or(vec![], |packing| packing.folds.clone());
    LinearTransform { diagonals, baby_steps, paired_by, folds }
}

/// How the rotations of a transform are done.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Split {
    baby_steps: u32,
    paired_by: Option<u32>,
    /// In key switches at the level of the layer.
    cost: f64,
}

impl Split {
    /// The split of the rotations into baby and giant steps, in pairs or not, that costs least.
    ///
    /// Distances of pairs are powers of two, as those between channels, rows and parts of a layout are.
    fn cheapest<'a>(diagonals: impl Iterator<Item = &'a Diagonal>, period: usize, prices: Prices) -> Self {
        let diagonals: Vec<Diagonal> = diagonals.copied().collect();
        let powers = || (0..=period.ilog2()).map(|log| 1u32 << log);
        let largest = diagonals.iter().map(|at| at.rotation).max().unwrap_or(0);
        // Of equal ones the longest, since shorter rotations are the baby steps of other layers too. Above the largest
        // rotation there are no second halves.
        let distances = prices.pair.into_iter().flat_map(|price| {
            let distances = powers().rev().filter(|&distance| distance <= largest);
            distances.map(move |distance| Some(Distance { distance, price }))
        });
        let splits = std::iter::once(None).chain(distances).flat_map(|distance| {
            let paired_by = distance.map(|Distance { distance, .. }| distance);
            let pairs = Pairs::new(&diagonals, distance);
            powers().map(move |baby_steps| {
                let cost = pairs.cost(baby_steps, prices);
                Self { baby_steps, paired_by, cost }
            })
        });
        splits.min_by(|a, b| a.cost.total_cmp(&b.cost)).expect("one baby step, and no pairs")
    }
}

/// A distance of pairs.
#[derive(Clone, Copy)]
struct Distance {
    distance: u32,
    /// Of a rotation that they are made of, or a conjugation.
    price: f64,
}

/// What is left of the diagonals when pairs are done by one product.
struct Pairs {
    distance: Option<Distance>,
    /// By input and output, and rotation.
    products: BTreeSet<Diagonal>,
    /// Inputs that have pairs.
    inputs: BTreeSet<u32>,
    outputs: usize,
}

impl Pairs {
    fn new(diagonals: &[Diagonal], distance: Option<Distance>) -> Self {
        let is_second =
            |at: &Diagonal| distance.is_some_and(|Distance { distance, .. }| at.rotation / distance % 2 == 1);
        let first = |at: &Diagonal| match distance {
            Some(Distance { distance, .. }) if is_second(at) => {
                Diagonal { rotation: at.rotation - distance, ..*at }
            }
            _ => *at,
        };
        Self {
            distance,
            products: diagonals.iter().map(first).collect(),
            inputs: diagonals.iter().filter(|at| is_second(at)).map(|at| at.input).collect(),
            outputs: diagonals.iter().map(|at| at.output).collect::<BTreeSet<_>>().len(),
        }
    }

    /// With so many baby steps, in key switches.
    fn cost(&self, baby_steps: u32, prices: Prices) -> f64 {
        let products = self.products.iter();
        let babies = products.clone().map(|at| (at.rotation % baby_steps, at.input)).filter(|(k, _)| *k != 0);
        let babies: BTreeSet<(u32, u32)> = babies.collect();
        let giants = products.map(|at| (at.output, at.rotation - at.rotation % baby_steps));
        let giants: BTreeSet<(u32, u32)> = giants.collect();
        // From each giant step to the one below, and from the last to 0.
        let below = std::iter::once((u32::MAX, 0)).chain(giants.iter().copied());
        let distances = giants.iter().zip(below).map(
            |((output, giant), (other, below))| {
                if *output == other { giant - below } else { *giant }
            },
        );
        let distances: Vec<u32> = distances.filter(|distance| *distance != 0).collect();
        let mut keys: BTreeSet<u32> = distances.iter().copied().collect();
        keys.extend(babies.iter().map(|(rotation, _)| *rotation));
        let pairs = self.distance.map_or(0.0, |Distance { distance, price }| {
            keys.insert(distance);
            price * (self.inputs.len() + self.outputs) as f64 + prices.key
        });
        prices.baby * babies.len() as f64
            + prices.giant * distances.len() as f64
            + prices.diagonal * self.products.len() as f64
            + prices.key * keys.len() as f64
            + pairs
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arrange::layout;

    const SLOTS: usize = 1024;

    fn conditions(slots: usize) -> Conditions {
        Conditions { slots, prices: Prices::of(Objective::Latency) }
    }

    /// What the slots of all ciphertexts hold.
    fn ciphertexts(arrangement: &Arrangement, vector: &[f64], slots: usize) -> Vec<Vec<f64>> {
        let period = arrangement.spread(vector);
        let all = period.iter().copied().cycle().take(slots * arrangement.ciphertexts(slots));
        all.collect::<Vec<_>>().chunks(slots).map(<[f64]>::to_vec).collect()
    }

    fn assert_multiplies(matrix: &SparseMatrix, source: &Arrangement, target: &Arrangement, slots: usize) {
        let x: Vec<f64> = (0..matrix.columns()).map(|i| i as f64 / 8.0 - 1.0).collect();
        let expected = ciphertexts(target, &matrix.apply(&x), slots);
        let inputs = ciphertexts(source, &x, slots);
        let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
        for (folded, popular) in [(true, true), (true, false), (false, true), (false, false)] {
            let packing = Packing::with(matrix, source, target, conditions(slots), folded, popular);
            let transform = transform(&[&packing], Prices::of(Objective::Latency));
            transform.validate_shape(inputs.len() as u32, expected.len() as u32).expect("complete");
            let found = transform.apply(&inputs, expected.len());
            for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
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
            slots in prop::sample::select(vec![4, 8, 16, SLOTS]),
        ) {
            let candidates = [&columns, &rows].map(|shape| Arrangement::candidates(shape, slots));
            let [source, target] = [0, 1].map(|i| choice[i].get(&candidates[i]).clone());
            let source = if filled { source.filled() } else { source };
            let matrix = matrix(rows.iter().product(), columns.iter().product(), every);
            assert_multiplies(&matrix, &source, &target, slots);
        }
    }

    /// Baby steps, giant steps and folds of one output. What pairs are made of and their conjugation come on top.
    fn switches(packing: &Packing) -> [usize; 3] {
        let transform = transform(&[packing], Prices::of(Objective::Latency));
        let babies = transform.baby_rotations().values().map(BTreeSet::len).sum();
        [babies, transform.giant_rotations().values().map(Vec::len).sum(), packing.folds.len()]
    }

    #[test]
    fn the_first_layer_of_a_digit_network_takes_thirteen_rotations_and_pairs() {
        let source = Arrangement::of_layout(layout([(32, 1), (4, 0), (32, 32)]), 784);
        let packing = Packing::new(&matrix(128, 784, 1), &source, &Arrangement::plain(128), conditions(4096));
        assert_eq!(switches(&packing), [7, 1, 5]);
        let paired = transform(&[&packing], Prices::of(Objective::Latency));
        assert!(paired.paired_by.is_some());
        assert_eq!((paired.diagonals.len(), paired.products().len()), (32, 16));
        let prices = Prices::of(Objective::Latency).without_pairs();
        let unpaired = transform(&[&packing], prices);
        assert_eq!((unpaired.paired_by, unpaired.baby_steps), (None, 8));
    }

    #[test]
    fn pairs_are_made_where_they_are_cheaper() {
        let of = |rotations: &[u32], period| {
            let diagonals: Vec<Diagonal> = rotations.iter().map(|&rotation| rotation.into()).collect();
            let split = Split::cheapest(diagonals.iter(), period, Prices::of(Objective::Latency));
            let unpaired =
                Split::cheapest(diagonals.iter(), period, Prices::of(Objective::Latency).without_pairs());
            (split.paired_by, split.cost / unpaired.cost)
        };
        let dense: Vec<u32> = (0..128).collect();
        let (distance, cost) = of(&dense, 128);
        assert!(distance.is_some() && cost < 0.75, "{distance:?}, {cost}");
        // Twenty-five taps of each of eight channels that are 256 apart.
        let taps = (0..200).map(|k| k / 25 * 256 + k / 5 % 5 * 16 + k % 5).collect::<Vec<u32>>();
        let (distance, cost) = of(&taps, 2048);
        assert!(distance.is_some_and(|distance| distance >= 256) && cost < 0.75, "{distance:?}, {cost}");
        for few in [&[0][..], &[0, 1], &[0, 1, 2, 3], &dense[..16]] {
            assert_eq!(of(few, 128), (None, 1.0));
        }
    }

    #[test]
    fn pairs_are_counted_as_the_transform_makes_them() {
        let rotations = (0..40u32).map(|k| k * k % 59);
        let diagonals: Vec<Diagonal> =
            rotations.map(|k| Diagonal { output: k % 2, input: k / 2 % 3, rotation: k }).collect();
        // Costs tell each kind of step from the others.
        let prices = Prices { baby: 1.0, giant: 1e3, diagonal: 1e6, pair: Some(1e9), key: 0.0 };
        for paired_by in [None, Some(1), Some(4), Some(16), Some(32)] {
            for baby_steps in [1, 4, 16, 64] {
                let factors = diagonals.iter().map(|at| (*at, vec![1.0])).collect();
                let transform = LinearTransform { diagonals: factors, baby_steps, paired_by, folds: vec![] };
                let distance = paired_by.map(|distance| Distance { distance, price: 1e9 });
                let babies: usize = transform.baby_rotations().values().map(BTreeSet::len).sum();
                let giants: usize = transform.giant_rotations().values().map(Vec::len).sum();
                let pairs = paired_by.map_or(0, |_| transform.paired_inputs().len() + 2);
                let expected =
                    [(babies, 1.0), (giants, 1e3), (transform.products().len(), 1e6), (pairs, 1e9)];
                let expected: f64 = expected.iter().map(|&(count, price)| count as f64 * price).sum();
                let found = Pairs::new(&diagonals, distance).cost(baby_steps, prices);
                assert_eq!(found, expected, "{paired_by:?}, {baby_steps}");
            }
        }
    }

    #[test]
    fn several_packings_in_one_transform_add_up() {
        let (a, b) = (matrix(8, 12, 1), matrix(8, 5, 2));
        let [first, second, target] = [12, 5, 8].map(Arrangement::plain);
        let packings = [(&a, &first), (&b, &second)];
        let packings = packings
            .map(|(matrix, source)| Packing::with(matrix, source, &target, conditions(SLOTS), false, false));
        let transform = transform(&[&packings[0], &packings[1]], Prices::of(Objective::Latency));
        let vectors: [Vec<f64>; 2] = [12, 5].map(|n| (0..n).map(|i| f64::from(i) - 2.0).collect());
        let inputs = [ciphertexts(&first, &vectors[0], SLOTS), ciphertexts(&second, &vectors[1], SLOTS)];
        let found = transform.apply(&[&inputs[0][0], &inputs[1][0]], 1);
        let expected = a.apply(&vectors[0]).into_iter().zip(b.apply(&vectors[1])).map(|(x, y)| x + y);
        assert!(found[0].iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9));
    }

    #[test]
    fn fewer_keys_are_taken_when_they_are_what_matters() {
        let (source, target) = (Arrangement::plain(256), Arrangement::plain(256));
        let keys = |objective| {
            let prices = Prices::of(objective);
            let packing =
                Packing::new(&matrix(256, 256, 1), &source, &target, Conditions { slots: 256, prices });
            let transform = transform(&[&packing], prices);
            let giants = transform.giant_rotations().into_values().flatten().collect::<BTreeSet<_>>();
            transform.baby_rotations().values().map(BTreeSet::len).sum::<usize>() + giants.len()
        };
        assert!(keys(Objective::Keys) < keys(Objective::Latency));
    }

    #[test]
    fn one_row_needs_sums_only() {
        let source = Arrangement::plain(30);
        let packing = Packing::new(&matrix(1, 30, 1), &source, &Arrangement::plain(1), conditions(SLOTS));
        assert_eq!((packing.cells.len(), &packing.folds[..]), (1, &[1, 2, 4, 8, 16][..]));
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
            let packings =
                pairs.map(|(source, target)| Packing::new(&matrix, source, target, conditions(4096)));
            packings.min_by(|a, b| a.cost.total_cmp(&b.cost)).expect("a candidate")
        };
        let packing = best(Arrangement::candidates(&[1, 28, 28], 4096));
        let switches = switches(&packing);
        assert!(switches.iter().sum::<usize>() <= 11, "{switches:?}");
    }
}
