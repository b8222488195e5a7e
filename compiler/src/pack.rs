//! Where vectors sit among the slots, and dense matrices as diagonals.
//!
//! Extents are rounded up to powers of two. A vector of n elements that was computed is repeated:
//! slot s holds element s mod n. A dense layer of m rows takes it to the vector of m elements: for
//! c = min(m, n) rotations slot s collects a part of row s mod m, and log₂(n/c) further rotations
//! by m, 2m, 4m, … add the parts up, each of which leaves the sum repeated.
//!
//! The client can lay out the input of the first layer with a smaller c, so that fewer rotations
//! collect and more add up: slot s then holds element `s mod c + c·(⌊s/m⌋ mod n/c)`.
//!
//! Source: Halevi, Shoup (eprint 2014/106), section 4.3, for the diagonals; Juvekar, Vaikuntanathan,
//! Chandrakasan, "GAZELLE" (eprint 2018/073), section 4, for the hybrid of diagonals and sums.

use std::collections::BTreeMap;

use ckks_core::{LayoutAxis, LinearTransform, SlotLayout};

use crate::graph::Matrix;

/// What a hoisted rotation and one of a sum cost, in key switches at the layer's level.
const HOISTED: f64 = 0.5;
const SUMMED: f64 = 0.8;

/// The layout of a dense layer: all three are powers of two, `tile` divides both others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packing {
    rows: usize,
    columns: usize,
    /// Rotations that collect: c.
    tile: usize,
}

/// The layout of a vector that repeats.
pub(crate) fn repeated(dimension: usize) -> SlotLayout {
    layout(&[(dimension.next_power_of_two(), 1)])
}

fn layout(axes: &[(usize, usize)]) -> SlotLayout {
    let axes = axes.iter().filter(|(extent, _)| *extent > 1);
    let axis =
        |&(extent, stride): &(usize, usize)| LayoutAxis { extent: extent as u32, stride: stride as u32 };
    SlotLayout { axes: axes.map(axis).collect() }
}

impl Packing {
    /// For a layer whose input repeats.
    pub(crate) fn of_repeated(matrix: &Matrix) -> Self {
        let (rows, columns) = (matrix.rows.next_power_of_two(), matrix.columns.next_power_of_two());
        Self { rows, columns, tile: rows.min(columns) }
    }

    /// The cheapest for a layer whose input the client lays out, if it fits the slots.
    pub(crate) fn of_input(matrix: &Matrix, slots: usize) -> Option<Self> {
        let widest = Self::of_repeated(matrix);
        let tiles = (0..usize::BITS).map(|log| 1 << log).take_while(|tile| *tile <= widest.tile);
        let candidates =
            tiles.map(|tile| Self { tile, ..widest }).filter(|packing| packing.period() <= slots);
        candidates.min_by(|a, b| a.cost().total_cmp(&b.cost()))
    }

    /// After so many slots the layout of the input repeats.
    fn period(self) -> usize {
        self.rows * self.parts()
    }

    /// How many parts a sum has.
    fn parts(self) -> usize {
        self.columns / self.tile
    }

    fn cost(self) -> f64 {
        split_cost(self.tile, baby_steps(self.tile)) + SUMMED * f64::from(self.parts().ilog2())
    }

    pub(crate) fn input_layout(self) -> SlotLayout {
        layout(&[(self.tile, 1), (self.rows / self.tile, 0), (self.parts(), self.tile)])
    }

    /// The rotations that add the parts up.
    pub(crate) fn folds(self) -> Vec<u32> {
        (0..self.parts().ilog2()).map(|log| (self.rows << log) as u32).collect()
    }

    /// The rotations that collect, as a transform.
    pub(crate) fn transform(self, matrix: &Matrix) -> LinearTransform {
        let input = self.input_layout();
        let period = self.period();
        let elements: Vec<usize> = (0..period).map(|slot| input.element_at(slot)).collect();
        let weight = |row: usize, column: usize| {
            let inside = row < matrix.rows && column < matrix.columns;
            if inside { matrix.row(row)[column] } else { 0.0 }
        };
        let diagonal = |rotation: usize| -> Vec<f64> {
            (0..period).map(|slot| weight(slot % self.rows, elements[(slot + rotation) % period])).collect()
        };
        let mut diagonals: BTreeMap<u32, Vec<f64>> = (0..self.tile)
            .map(|rotation| (rotation as u32, diagonal(rotation)))
            .filter(|(_, diagonal)| diagonal.iter().any(|&factor| factor != 0.0))
            .collect();
        if diagonals.is_empty() {
            diagonals.insert(0, vec![0.0]);
        }
        LinearTransform { diagonals, baby_steps: baby_steps(self.tile) as u32 }
    }
}

/// The split of `rotations` into baby and giant steps that costs least, and among those takes the
/// fewest keys.
fn baby_steps(rotations: usize) -> usize {
    let candidates = (0..=rotations.ilog2()).map(|log| 1usize << log);
    let keys = |baby: usize| baby + rotations / baby;
    let cost = |baby: usize| split_cost(rotations, baby);
    let best = candidates.min_by(|&a, &b| cost(a).total_cmp(&cost(b)).then(keys(a).cmp(&keys(b))));
    best.unwrap_or(1)
}

fn split_cost(rotations: usize, baby: usize) -> f64 {
    HOISTED * (baby - 1) as f64 + (rotations / baby - 1) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matrix(rows: usize, columns: usize) -> Matrix {
        let entries = (0..rows * columns).map(|i| ((i * 37 + 11) % 97) as f64 / 50.0 - 1.0).collect();
        Matrix { rows, columns, entries }
    }

    /// Applies transform and folds to a packed vector.
    fn product(packing: Packing, matrix: &Matrix, x: &[f64], slots: usize) -> Vec<f64> {
        let packed = packing.input_layout().pack(x, slots);
        let collected = packing.transform(matrix).apply(&packed);
        packing.folds().into_iter().fold(collected, |sum, steps| {
            (0..slots).map(|s| sum[s] + sum[(s + steps as usize) % slots]).collect()
        })
    }

    proptest! {
        #[test]
        fn every_packing_multiplies_by_the_matrix_and_repeats_the_result(
            rows in 1usize..40, columns in 1usize..40, log_tile in 0u32..6,
        ) {
            let slots = 1024;
            let matrix = matrix(rows, columns);
            let widest = Packing::of_repeated(&matrix);
            let packing = Packing { tile: (1 << log_tile).min(widest.tile), ..widest };
            prop_assume!(packing.period() <= slots);
            let x: Vec<f64> = (0..columns).map(|i| i as f64 / 8.0 - 1.0).collect();
            packing.input_layout().validate(slots, columns).expect("holds every element");
            let got = product(packing, &matrix, &x, slots);
            let want = repeated(rows).pack(&matrix.apply(&x), slots);
            for (got, want) in got.iter().zip(&want) {
                prop_assert!((got - want).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn a_repeated_input_has_the_layout_that_layers_leave_behind() {
        for (rows, columns) in [(10, 128), (128, 10), (16, 16), (1, 30)] {
            let (found, expected) =
                (Packing::of_repeated(&matrix(rows, columns)).input_layout(), repeated(columns));
            let elements =
                |layout: &SlotLayout| (0..1024).map(|slot| layout.element_at(slot)).collect::<Vec<_>>();
            assert_eq!(elements(&found), elements(&expected));
        }
    }

    #[test]
    fn the_first_layer_of_a_digit_network_takes_fifteen_rotations() {
        let packing = Packing::of_input(&matrix(128, 784), 4096).expect("fits");
        let transform = packing.transform(&matrix(128, 784));
        let counts =
            [transform.baby_rotations().len(), transform.giant_rotations().len(), packing.folds().len()];
        assert_eq!(counts, [7, 3, 5]);
    }

    #[test]
    fn one_row_needs_sums_only() {
        let packing = Packing::of_input(&matrix(1, 30), 2048).expect("fits");
        assert_eq!((packing.tile, packing.folds()), (1, vec![1, 2, 4, 8, 16]));
    }

    #[test]
    fn what_exceeds_the_slots_has_no_packing() {
        assert_eq!(Packing::of_input(&matrix(128, 784), 512), None);
    }
}
