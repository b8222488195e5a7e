//! Linear maps over slots as diagonals. Owns the baby-step giant-step split and the slow twin;
//! knows no ciphertexts.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec,
    vec::Vec,
};
use core::fmt;

/// Which diagonal of a [`LinearTransform`]: of the block from one input to one output, by its rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Diagonal {
    /// Number of the output.
    pub output: u32,
    /// Number of the input.
    pub input: u32,
    /// Rotation to the left.
    pub rotation: u32,
}

impl From<u32> for Diagonal {
    /// The diagonal of a rotation, where there is one input and one output.
    fn from(rotation: u32) -> Self {
        Self { output: 0, input: 0, rotation }
    }
}

/// A linear map from one or several vectors of slots to one or several, given by its non-zero diagonals:
/// `out_o[s] = Σ_{i,k} diagonals[o, i, k][s] · in_i[s + k]`, slot numbers modulo the number of slots.
///
/// A rotation splits as `k = giant + baby` with `baby = k mod baby_steps`, so that
/// `out_o = Σ_giant rotate(Σ_{i,baby} rotate(diagonal, −giant) · rotate(in_i, baby), giant)`:
/// the inner rotations of an input share one decomposition and serve all outputs, and all inputs share
/// the outer ones. The outer sum is evaluated by Horner's rule from the
/// largest giant step down, so that evenly spaced ones all rotate by the same distance and share a key.
///
/// Source: Halevi, Shoup, "Algorithms in HElib" (eprint 2014/106), section 4; baby steps and Horner's
/// rule in "Faster Homomorphic Linear Transformations in HElib" (eprint 2018/244), sections 3 and 4.
///
/// With `paired_by = k`, one product does two diagonals: rotation r with ⌊r/k⌋ odd is the imaginary half of rotation
/// r − k. With `z = in + i·rotate(in, k)`, `(a − i·b)/2` for the diagonals of r − k and r, and S for the sum above over
/// the rotations of even ⌊r/k⌋ alone, the result is `S + conjugate(S)`: the same of real slots. Of x + i·y such a pair
/// makes `a·(x − rotate(y, k)) + b·(rotate(x, k) + y)`.
///
/// Afterwards, for each f of `folds` in order, `out_o += rotate(out_o, f)`: so parts of a row that are
/// collected in several slots are added up, before the one rescaling.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearTransform {
    /// The factor of every slot, repeated periodically.
    pub diagonals: BTreeMap<Diagonal, Vec<f64>>,
    /// How many rotations, from 0 on, are inner ones.
    pub baby_steps: u32,
    /// The distance of the two rotations that one product does, if there are such pairs. Like `baby_steps` it says how
    /// the sum is done, and not what it is of real slots.
    pub paired_by: Option<u32>,
    /// Rotations to the left by which sums are added to themselves.
    pub folds: Vec<u32>,
}

/// Why a [`LinearTransform`] cannot be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransformError {
    /// An output has no diagonal.
    Empty {
        /// Which output.
        output: u32,
    },
    /// A diagonal belongs to an input or output that the instruction does not have.
    Shape {
        /// Inputs and outputs of the instruction.
        shape: [u32; 2],
        /// Input and output of the diagonal.
        found: [u32; 2],
    },
    /// `baby_steps` is 0 or above the number of slots.
    BabySteps {
        /// Number of slots.
        slots: usize,
        /// What was given.
        found: u32,
    },
    /// `paired_by` is 0 or not below the number of slots.
    PairedBy {
        /// Number of slots.
        slots: usize,
        /// What was given.
        found: u32,
    },
    /// The rotation of a diagonal or a fold is not below the number of slots.
    Rotation {
        /// Number of slots.
        slots: usize,
        /// The rotation.
        found: u32,
    },
    /// A diagonal's length does not divide the number of slots.
    Period {
        /// The diagonal's rotation.
        rotation: u32,
        /// Number of slots.
        slots: usize,
        /// The diagonal's length.
        found: usize,
    },
    /// A factor is infinite or not a number.
    NotFinite {
        /// The diagonal's rotation.
        rotation: u32,
        /// Where in the diagonal.
        index: usize,
    },
}

impl fmt::Display for TransformError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { output } => write!(f, "output {output} has no diagonal"),
            Self::Shape { shape: [inputs, outputs], found: [input, output] } => write!(
                f,
                "a diagonal from input {input} to output {output}, of {inputs} inputs and {outputs} outputs"
            ),
            Self::BabySteps { slots, found } => {
                write!(f, "the number of baby steps must be 1 to {slots}, the number of slots; found {found}")
            }
            Self::PairedBy { slots, found } => {
                write!(
                    f,
                    "the distance of pairs must be above 0 and below {slots}, the number of slots; found {found}"
                )
            }
            Self::Rotation { slots, found } => {
                write!(f, "rotation {found} is not below {slots}, the number of slots")
            }
            Self::Period { rotation, slots, found } => {
                write!(f, "diagonal {rotation} has {found} factors, which does not divide {slots} slots")
            }
            Self::NotFinite { rotation, index } => {
                write!(f, "factor {index} of diagonal {rotation} is not a finite number")
            }
        }
    }
}

impl core::error::Error for TransformError {}

/// A rotation as it is done: `giant + baby`, and the distance of pairs where it is the imaginary half of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Split {
    pub(crate) giant: u32,
    pub(crate) baby: u32,
    pub(crate) is_imaginary: bool,
}

impl LinearTransform {
    /// Checks the transform against the number of slots.
    ///
    /// # Errors
    /// The first [`TransformError`] that applies.
    pub fn validate(&self, slots: usize) -> Result<(), TransformError> {
        if self.diagonals.is_empty() {
            return Err(TransformError::Empty { output: 0 });
        }
        if self.baby_steps == 0 || self.baby_steps as usize > slots {
            return Err(TransformError::BabySteps { slots, found: self.baby_steps });
        }
        if let Some(found) = self.paired_by.filter(|&k| k == 0 || k as usize >= slots) {
            return Err(TransformError::PairedBy { slots, found });
        }
        let rotations = self.diagonals.keys().map(|diagonal| diagonal.rotation);
        if let Some(found) = rotations.chain(self.folds.iter().copied()).find(|&k| k as usize >= slots) {
            return Err(TransformError::Rotation { slots, found });
        }
        for (&Diagonal { rotation, .. }, diagonal) in &self.diagonals {
            if diagonal.is_empty() || !slots.is_multiple_of(diagonal.len()) {
                return Err(TransformError::Period { rotation, slots, found: diagonal.len() });
            }
            if let Some(index) = diagonal.iter().position(|factor| !factor.is_finite()) {
                return Err(TransformError::NotFinite { rotation, index });
            }
        }
        Ok(())
    }

    /// Checks that its diagonals are those of so many inputs and outputs, and that none of these is left out.
    ///
    /// # Errors
    /// [`TransformError::Shape`], [`TransformError::Empty`].
    pub fn validate_shape(&self, inputs: u32, outputs: u32) -> Result<(), TransformError> {
        let foreign = self.diagonals.keys().find(|at| at.input >= inputs || at.output >= outputs);
        if let Some(at) = foreign {
            return Err(TransformError::Shape { shape: [inputs, outputs], found: [at.input, at.output] });
        }
        // Ordered by output, and none is beyond the last: the first gap is where numbers jump.
        let mut expected = 0;
        for at in self.diagonals.keys() {
            if at.output > expected {
                break;
            }
            expected = at.output + 1;
        }
        if expected < outputs { Err(TransformError::Empty { output: expected }) } else { Ok(()) }
    }

    /// The inner rotations by input, without the trivial one; each distinct one needs a Galois key.
    #[must_use]
    pub fn baby_rotations(&self) -> BTreeMap<u32, BTreeSet<u32>> {
        let mut rotations: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for at in self.diagonals.keys() {
            let Split { baby, .. } = self.split(at.rotation);
            if baby != 0 {
                rotations.entry(at.input).or_default().insert(baby);
            }
        }
        rotations
    }

    /// The outer rotations by output, in the order in which they are done, from each giant step down to the
    /// next one and from the last to 0; each costs a key switch, each distinct one needs a Galois key.
    #[must_use]
    pub fn giant_rotations(&self) -> BTreeMap<u32, Vec<u32>> {
        let mut giants: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for at in self.diagonals.keys() {
            giants.entry(at.output).or_default().insert(self.split(at.rotation).giant);
        }
        let distances = |giants: BTreeSet<u32>| {
            let below = core::iter::once(0).chain(giants.iter().copied());
            let mut steps: Vec<u32> = giants.iter().zip(below).map(|(giant, below)| giant - below).collect();
            steps.retain(|&step| step != 0);
            steps.reverse();
            steps
        };
        giants.into_iter().map(|(output, giants)| (output, distances(giants))).collect()
    }

    /// The inputs that have an imaginary half, if there are pairs: each takes a rotation by their distance.
    #[must_use]
    pub fn paired_inputs(&self) -> BTreeSet<u32> {
        let halves = self.diagonals.keys().filter(|at| self.split(at.rotation).is_imaginary);
        halves.map(|at| at.input).collect()
    }

    /// What is multiplied with what: the diagonals, a pair of them by its first half.
    #[must_use]
    pub fn products(&self) -> BTreeSet<Diagonal> {
        let first = |at: &Diagonal| {
            let Split { giant, baby, .. } = self.split(at.rotation);
            Diagonal { rotation: giant + baby, ..*at }
        };
        self.diagonals.keys().map(first).collect()
    }

    /// The two halves of a product, each an entry of `diagonals` or nothing.
    pub(crate) fn halves(&self, product: Diagonal) -> [Option<&[f64]>; 2] {
        let half = |rotation| self.diagonals.get(&Diagonal { rotation, ..product }).map(Vec::as_slice);
        let second = self.paired_by.and_then(|k| half(product.rotation.checked_add(k)?));
        [half(product.rotation), second]
    }

    /// Splits a rotation.
    pub(crate) fn split(&self, rotation: u32) -> Split {
        let distance = self.paired_by.unwrap_or(0);
        let is_imaginary = rotation.checked_div(distance).is_some_and(|count| count % 2 == 1);
        let real = if is_imaginary { rotation - distance } else { rotation };
        let baby = real % self.baby_steps.max(1);
        Split { giant: real - baby, baby, is_imaginary }
    }

    /// Whether it only multiplies and adds, slot by slot.
    pub(crate) fn is_rotation_free(&self) -> bool {
        self.folds.is_empty() && self.paired_by.is_none() && self.diagonals.keys().all(|at| at.rotation == 0)
    }

    /// The largest absolute factor.
    pub(crate) fn magnitude(&self) -> f64 {
        self.diagonals.values().flatten().fold(0.0, |most: f64, factor| most.max(factor.abs()))
    }

    /// Applies the map by its definition, one diagonal after the other.
    ///
    /// Outputs without a diagonal, of the `outputs` asked for, are zero.
    ///
    /// # Panics
    /// When a diagonal is empty, or belongs to an input or output that there is not.
    #[must_use]
    pub fn apply(&self, inputs: &[&[f64]], outputs: usize) -> Vec<Vec<f64>> {
        let slots = inputs.first().map_or(0, |input| input.len());
        let mut out = vec![vec![0.0; slots]; outputs];
        for (at, diagonal) in &self.diagonals {
            let rotated = inputs[at.input as usize].iter().cycle().skip(at.rotation as usize);
            let sums = out[at.output as usize].iter_mut();
            for ((sum, factor), value) in sums.zip(diagonal.iter().cycle()).zip(rotated) {
                *sum += factor * value;
            }
        }
        for sum in &mut out {
            for &steps in &self.folds {
                let rotated: Vec<f64> =
                    sum.iter().cycle().skip(steps as usize).take(slots).copied().collect();
                sum.iter_mut().zip(rotated).for_each(|(sum, value)| *sum += value);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transform(diagonals: &[(u32, &[f64])], baby_steps: u32) -> LinearTransform {
        let diagonals = diagonals.iter().map(|&(k, d)| (k.into(), d.to_vec())).collect();
        LinearTransform { diagonals, baby_steps, paired_by: None, folds: vec![] }
    }

    fn apply(transform: &LinearTransform, slots: &[f64]) -> Vec<f64> {
        transform.apply(&[slots], 1).remove(0)
    }

    #[test]
    fn a_single_diagonal_of_ones_rotates_left() {
        assert_eq!(apply(&transform(&[(1, &[1.0])], 1), &[1.0, 2.0, 3.0, 4.0]), [2.0, 3.0, 4.0, 1.0]);
    }

    #[test]
    fn diagonals_are_a_matrix() {
        // Rows (1 2), (3 4): the main diagonal is 1 4, the next one 2 3.
        let matrix = transform(&[(0, &[1.0, 4.0]), (1, &[2.0, 3.0])], 2);
        assert_eq!(apply(&matrix, &[10.0, 100.0]), [210.0, 430.0]);
    }

    #[test]
    fn blocks_of_diagonals_are_a_matrix_of_blocks() {
        let at = |output, input, rotation| Diagonal { output, input, rotation };
        let blocks = [(at(0, 0, 0), 1.0), (at(0, 1, 1), 10.0), (at(2, 1, 0), 3.0)];
        let diagonals = blocks.iter().map(|&(at, factor)| (at, vec![factor])).collect();
        let transform = LinearTransform { diagonals, baby_steps: 2, paired_by: None, folds: vec![] };
        let outputs = transform.apply(&[&[1.0, 2.0], &[3.0, 4.0]], 3);
        assert_eq!(outputs, [vec![41.0, 32.0], vec![0.0; 2], vec![9.0, 12.0]]);
        assert_eq!(transform.validate_shape(2, 3), Err(TransformError::Empty { output: 1 }));
        let shape = |inputs, outputs| TransformError::Shape { shape: [inputs, outputs], found: [1, 2] };
        assert_eq!(transform.validate_shape(2, 2), Err(shape(2, 2)));
        let shape = TransformError::Shape { shape: [1, 3], found: [1, 0] };
        assert_eq!(transform.validate_shape(1, 3), Err(shape));
        let mut whole = transform;
        whole.diagonals.insert(at(1, 0, 1), vec![1.0]);
        assert_eq!(whole.validate_shape(2, 3), Ok(()));
        assert_eq!(whole.validate_shape(2, 4), Err(TransformError::Empty { output: 3 }));
        assert_eq!(whole.giant_rotations().len(), 3);
        assert_eq!(whole.baby_rotations().len(), 2);
    }

    #[test]
    fn folds_add_up_parts() {
        let parts = LinearTransform { folds: vec![2, 1], ..transform(&[(0, &[1.0])], 1) };
        assert_eq!(apply(&parts, &[1.0, 2.0, 3.0, 4.0]), [10.0; 4]);
        let far = LinearTransform { folds: vec![0, 8], ..parts };
        assert_eq!(far.validate(8), Err(TransformError::Rotation { slots: 8, found: 8 }));
    }

    #[test]
    fn rotations_split_into_giant_and_baby_steps() {
        let one: &[f64] = &[1.0];
        let split = transform(&[(0, one), (2, one), (5, one), (9, one)], 4);
        assert_eq!(split.baby_rotations(), BTreeMap::from([(0, BTreeSet::from([1, 2]))]));
        let giants = |transform: LinearTransform| transform.giant_rotations()[&0].clone();
        assert_eq!(giants(split), [4, 4]);
        assert_eq!(giants(transform(&[(3, one), (9, one)], 2)), [6, 2]);
        assert_eq!(giants(transform(&[(1, one)], 2)), []);
    }

    #[test]
    fn pairs_are_a_distance_apart_and_done_by_one_product() {
        let one: &[f64] = &[1.0];
        let all: Vec<(u32, &[f64])> = (0..16).map(|k| (k, one)).collect();
        let pairs = LinearTransform { paired_by: Some(4), ..transform(&all, 4) };
        assert_eq!(pairs.split(5), Split { giant: 0, baby: 1, is_imaginary: true });
        assert_eq!(pairs.split(10), Split { giant: 8, baby: 2, is_imaginary: false });
        let first = [0, 1, 2, 3, 8, 9, 10, 11];
        assert_eq!(pairs.products(), first.map(Diagonal::from).into());
        assert_eq!(pairs.giant_rotations()[&0], [8]);
        assert_eq!(pairs.baby_rotations()[&0], [1, 2, 3].into());
        // Neighbours, of which the last has lost its first half.
        let mut neighbours = LinearTransform { paired_by: Some(1), ..transform(&[(2, one), (3, one)], 4) };
        neighbours.diagonals.insert(7.into(), vec![2.0]);
        assert_eq!(neighbours.products(), [2, 6].map(Diagonal::from).into());
        assert_eq!(neighbours.halves(2.into()), [Some(one), Some(one)]);
        assert_eq!(neighbours.halves(6.into()), [None, Some(&[2.0][..])]);
        assert_eq!(neighbours.paired_inputs(), [0].into());
        let unpaired = LinearTransform { paired_by: None, ..neighbours };
        assert_eq!(unpaired.halves(2.into()), [Some(one), None]);
        assert_eq!(unpaired.paired_inputs(), [].into());
    }

    #[test]
    fn refuses_what_cannot_be_applied() {
        let refusal = |diagonals: &[(u32, &[f64])], baby| transform(diagonals, baby).validate(8);
        assert_eq!(refusal(&[], 1), Err(TransformError::Empty { output: 0 }));
        assert_eq!(refusal(&[(0, &[1.0])], 0), Err(TransformError::BabySteps { slots: 8, found: 0 }));
        assert_eq!(refusal(&[(0, &[1.0])], 9), Err(TransformError::BabySteps { slots: 8, found: 9 }));
        assert_eq!(
            refusal(&[(u32::MAX, &[1.0])], 1),
            Err(TransformError::Rotation { slots: 8, found: u32::MAX })
        );
        assert_eq!(refusal(&[(3, &[])], 1), Err(TransformError::Period { rotation: 3, slots: 8, found: 0 }));
        assert_eq!(
            refusal(&[(3, &[1.0; 3])], 1),
            Err(TransformError::Period { rotation: 3, slots: 8, found: 3 })
        );
        assert_eq!(
            refusal(&[(3, &[1.0, f64::NAN])], 1),
            Err(TransformError::NotFinite { rotation: 3, index: 1 })
        );
        assert_eq!(refusal(&[(7, &[1.0; 8])], 8), Ok(()));
        for (distance, expected) in [
            (0, Err(TransformError::PairedBy { slots: 8, found: 0 })),
            (1, Ok(())),
            (7, Ok(())),
            (8, Err(TransformError::PairedBy { slots: 8, found: 8 })),
            (u32::MAX, Err(TransformError::PairedBy { slots: 8, found: u32::MAX })),
        ] {
            let pairs = LinearTransform { paired_by: Some(distance), ..transform(&[(7, &[1.0; 8])], 8) };
            assert_eq!(pairs.validate(8), expected);
        }
    }
}
