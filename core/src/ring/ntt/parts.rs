//! The equal parts of a node, vector by vector.

use crate::lanes::Lanes;

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

/// Loads four vectors.
#[inline(always)]
pub(super) fn load_four<L: Lanes>(x: &[&mut L::Chunk; 4]) -> [L; 4] {
    [L::load(x[0]), L::load(x[1]), L::load(x[2]), L::load(x[3])]
}

/// Stores four vectors.
#[inline(always)]
pub(super) fn store_four<L: Lanes>(x: [&mut L::Chunk; 4], a: [L; 4]) {
    let [x0, x1, x2, x3] = x;
    a[0].store(x0);
    a[1].store(x1);
    a[2].store(x2);
    a[3].store(x3);
}

/// Loads eight vectors.
#[inline(always)]
pub(super) fn load_eight<L: Lanes>(x: &[&mut L::Chunk; 8]) -> [L; 8] {
    [
        L::load(x[0]),
        L::load(x[1]),
        L::load(x[2]),
        L::load(x[3]),
        L::load(x[4]),
        L::load(x[5]),
        L::load(x[6]),
        L::load(x[7]),
    ]
}

/// Stores eight vectors.
#[inline(always)]
pub(super) fn store_eight<L: Lanes>(x: [&mut L::Chunk; 8], a: [L; 8]) {
    let [x0, x1, x2, x3, x4, x5, x6, x7] = x;
    a[0].store(x0);
    a[1].store(x1);
    a[2].store(x2);
    a[3].store(x3);
    a[4].store(x4);
    a[5].store(x5);
    a[6].store(x6);
    a[7].store(x7);
}
