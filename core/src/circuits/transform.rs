//! Linear maps over slots as diagonals. Owns the baby-step giant-step split and the slow twin;
//! knows no ciphertexts.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec,
    vec::Vec,
};
use core::fmt;

/// A linear map of the slots, given by its non-zero diagonals:
/// `out[s] = Σ_k diagonals[k][s] · in[s + k]`, slot numbers modulo the number of slots.
///
/// A rotation splits as `k = giant + baby` with `baby = k mod baby_steps`, so that
/// `out = Σ_giant rotate(Σ_baby rotate(diagonal, −giant) · rotate(in, baby), giant)`:
/// the inner rotations share one decomposition. The outer sum is evaluated by Horner's rule from the
/// largest giant step down, so that evenly spaced ones all rotate by the same distance and share a key.
///
/// Source: Halevi, Shoup, "Algorithms in HElib" (eprint 2014/106), section 4; baby steps and Horner's
/// rule in "Faster Homomorphic Linear Transformations in HElib" (eprint 2018/244), sections 3 and 4.
///
/// Afterwards, for each f of `folds` in order, `out += rotate(out, f)`: so parts of a row that are
/// collected in several slots are added up, before the one rescaling.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearTransform {
    /// By rotation to the left: the factor of every slot, repeated periodically.
    pub diagonals: BTreeMap<u32, Vec<f64>>,
    /// How many rotations, from 0 on, are inner ones.
    pub baby_steps: u32,
    /// Rotations to the left by which sums are added to themselves.
    pub folds: Vec<u32>,
}

/// Why a [`LinearTransform`] cannot be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransformError {
    /// It has no diagonal.
    Empty,
    /// `baby_steps` is 0 or above the number of slots.
    BabySteps {
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
            Self::Empty => f.write_str("there is no diagonal"),
            Self::BabySteps { slots, found } => {
                write!(f, "the number of baby steps must be 1 to {slots}, the number of slots; found {found}")
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

impl LinearTransform {
    /// Checks the transform against the number of slots.
    ///
    /// # Errors
    /// The first [`TransformError`] that applies.
    pub fn validate(&self, slots: usize) -> Result<(), TransformError> {
        if self.diagonals.is_empty() {
            return Err(TransformError::Empty);
        }
        if self.baby_steps == 0 || self.baby_steps as usize > slots {
            return Err(TransformError::BabySteps { slots, found: self.baby_steps });
        }
        if let Some(&found) = self.diagonals.keys().chain(&self.folds).find(|&&k| k as usize >= slots) {
            return Err(TransformError::Rotation { slots, found });
        }
        for (&rotation, diagonal) in &self.diagonals {
            if diagonal.is_empty() || !slots.is_multiple_of(diagonal.len()) {
                return Err(TransformError::Period { rotation, slots, found: diagonal.len() });
            }
            if let Some(index) = diagonal.iter().position(|factor| !factor.is_finite()) {
                return Err(TransformError::NotFinite { rotation, index });
            }
        }
        Ok(())
    }

    /// The inner rotations of the input, without the trivial one; each needs a Galois key.
    #[must_use]
    pub fn baby_rotations(&self) -> BTreeSet<u32> {
        self.diagonals.keys().map(|&rotation| self.split(rotation).1).filter(|&baby| baby != 0).collect()
    }

    /// The outer rotations in the order in which they are done, from each giant step down to the next
    /// one and from the last to 0; each costs a key switch, each distinct one needs a Galois key.
    #[must_use]
    pub fn giant_rotations(&self) -> Vec<u32> {
        let giants: BTreeSet<u32> = self.diagonals.keys().map(|&rotation| self.split(rotation).0).collect();
        let below = core::iter::once(0).chain(giants.iter().copied());
        let mut steps: Vec<u32> = giants.iter().zip(below).map(|(giant, below)| giant - below).collect();
        steps.retain(|&step| step != 0);
        steps.reverse();
        steps
    }

    /// Splits a rotation into `(giant, baby)`.
    pub(crate) fn split(&self, rotation: u32) -> (u32, u32) {
        let baby = rotation % self.baby_steps.max(1);
        (rotation - baby, baby)
    }

    /// The largest absolute factor.
    pub(crate) fn magnitude(&self) -> f64 {
        self.diagonals.values().flatten().fold(0.0, |most: f64, factor| most.max(factor.abs()))
    }

    /// Applies the map by its definition, one diagonal after the other.
    ///
    /// # Panics
    /// When a diagonal is empty.
    #[must_use]
    pub fn apply(&self, slots: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; slots.len()];
        for (&rotation, diagonal) in &self.diagonals {
            let rotated = slots.iter().cycle().skip(rotation as usize);
            for ((sum, factor), value) in out.iter_mut().zip(diagonal.iter().cycle()).zip(rotated) {
                *sum += factor * value;
            }
        }
        for &steps in &self.folds {
            let rotated: Vec<f64> =
                out.iter().cycle().skip(steps as usize).take(out.len()).copied().collect();
            out.iter_mut().zip(rotated).for_each(|(sum, value)| *sum += value);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transform(diagonals: &[(u32, &[f64])], baby_steps: u32) -> LinearTransform {
        let diagonals = diagonals.iter().map(|&(k, d)| (k, d.to_vec())).collect();
        LinearTransform { diagonals, baby_steps, folds: vec![] }
    }

    #[test]
    fn a_single_diagonal_of_ones_rotates_left() {
        assert_eq!(transform(&[(1, &[1.0])], 1).apply(&[1.0, 2.0, 3.0, 4.0]), [2.0, 3.0, 4.0, 1.0]);
    }

    #[test]
    fn diagonals_are_a_matrix() {
        // Rows (1 2), (3 4): the main diagonal is 1 4, the next one 2 3.
        let matrix = transform(&[(0, &[1.0, 4.0]), (1, &[2.0, 3.0])], 2);
        assert_eq!(matrix.apply(&[10.0, 100.0]), [210.0, 430.0]);
    }

    #[test]
    fn folds_add_up_parts() {
        let parts = LinearTransform { folds: vec![2, 1], ..transform(&[(0, &[1.0])], 1) };
        assert_eq!(parts.apply(&[1.0, 2.0, 3.0, 4.0]), [10.0; 4]);
        let far = LinearTransform { folds: vec![0, 8], ..parts };
        assert_eq!(far.validate(8), Err(TransformError::Rotation { slots: 8, found: 8 }));
    }

    #[test]
    fn rotations_split_into_giant_and_baby_steps() {
        let one: &[f64] = &[1.0];
        let split = transform(&[(0, one), (2, one), (5, one), (9, one)], 4);
        assert_eq!(split.baby_rotations().into_iter().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(split.giant_rotations(), [4, 4]);
        assert_eq!(transform(&[(3, one), (9, one)], 2).giant_rotations(), [6, 2]);
        assert_eq!(transform(&[(1, one)], 2).giant_rotations(), []);
    }

    #[test]
    fn refuses_what_cannot_be_applied() {
        let refusal = |diagonals: &[(u32, &[f64])], baby| transform(diagonals, baby).validate(8);
        assert_eq!(refusal(&[], 1), Err(TransformError::Empty));
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
    }
}
