//! The equal parts of a node, vector by vector.

use core::ops::Deref;

use crate::lanes::{Lanes, each};

/// Whether the steps of a transform are written for so many vectors and layers of an instance.
pub(super) const fn has_steps<L: Lanes>() -> bool {
    matches!((L::VECTORS_AT_ONCE, L::LAYERS_AT_ONCE), (4, 2) | (8, 2 | 3) | (16, 3))
}

/// The corresponding vectors of the two halves of a node.
#[inline(always)]
pub(super) fn halves<T>(node: &mut [T]) -> impl Iterator<Item = [&mut T; 2]> {
    let (low, high) = node.split_at_mut(node.len() / 2);
    low.iter_mut().zip(high).map(|(x0, x1)| [x0, x1])
}

/// The corresponding vectors of the four quarters of a node.
#[inline(always)]
pub(super) fn quarters<T>(node: &mut [T]) -> impl Iterator<Item = [&mut T; 4]> {
    let (low, high) = node.split_at_mut(node.len() / 2);
    halves(low).zip(halves(high)).map(|([x0, x1], [x2, x3])| [x0, x1, x2, x3])
}

/// The corresponding vectors of the eight eighths of a node.
#[inline(always)]
pub(super) fn eighths<T>(node: &mut [T]) -> impl Iterator<Item = [&mut T; 8]> {
    let (low, high) = node.split_at_mut(node.len() / 2);
    quarters(low)
        .zip(quarters(high))
        .map(|([x0, x1, x2, x3], [x4, x5, x6, x7])| [x0, x1, x2, x3, x4, x5, x6, x7])
}

/// Loads the adjacent vectors of each part, part after part.
#[inline(always)]
pub(super) fn load<L: Lanes, const PARTS: usize, const ADJACENT: usize, const VECTORS: usize>(
    x: &[impl Deref<Target = [L::Chunk; ADJACENT]>; PARTS],
) -> [L; VECTORS] {
    each(|i| L::load(&x[i / ADJACENT][i % ADJACENT]))
}

/// Asks for the vectors so many places after these, where they come from far away.
#[inline(always)]
pub(super) fn prefetch<L: Lanes, const PARTS: usize, const ADJACENT: usize>(
    x: &[impl Deref<Target = [L::Chunk; ADJACENT]>; PARTS],
    vectors: usize,
) {
    for part in x {
        for place in part.iter() {
            L::prefetch_to_keep(place, vectors * L::WIDTH);
        }
    }
}

/// Stores what [`load`] loads.
#[inline(always)]
pub(super) fn store<L: Lanes, const PARTS: usize, const ADJACENT: usize, const VECTORS: usize>(
    x: [&mut [L::Chunk; ADJACENT]; PARTS],
    a: [L; VECTORS],
) {
    for (i, a) in a.into_iter().enumerate() {
        a.store(&mut x[i / ADJACENT][i % ADJACENT]);
    }
}
