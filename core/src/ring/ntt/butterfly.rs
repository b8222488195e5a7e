//! The two butterflies, on vectors of residues that are reduced as late as possible.

use crate::{
    lanes::Lanes,
    ring::field::{Factor, Field},
};

/// `(a + wb, a − wb)`; from and to [0, 4q).
#[inline(always)]
pub(super) fn cooley_tukey<L: Lanes>(field: Field<L>, a: L, b: L, w: Factor<L>) -> (L, L) {
    let a = a.reduce_once(field.two_q);
    let t = field.mul_lazy(b, w);
    (a.add(t), a.sub(t).add(field.two_q))
}

/// `(a + b, w(a − b))`; from and to [0, 2q).
#[inline(always)]
pub(super) fn gentleman_sande<L: Lanes>(field: Field<L>, a: L, b: L, w: Factor<L>) -> (L, L) {
    let sum = a.add(b).reduce_once(field.two_q);
    (sum, field.mul_lazy(a.sub(b).add(field.two_q), w))
}

/// The last butterfly of the way back with its scaling, from [0, 2q) to [0, q).
#[inline(always)]
pub(super) fn scaled<L: Lanes>(field: Field<L>, a: L, b: L, [sum, difference]: [Factor<L>; 2]) -> (L, L) {
    (field.mul(a.add(b), sum), field.mul(a.sub(b).add(field.two_q), difference))
}

/// The corresponding entries of the two halves of a node.
#[inline(always)]
pub(super) fn halves<T>(node: &mut [T]) -> impl Iterator<Item = [&mut T; 2]> {
    let (low, high) = node.split_at_mut(node.len() / 2);
    low.iter_mut().zip(high).map(|(x0, x1)| [x0, x1])
}

/// The corresponding entries of the four quarters of a node.
#[inline(always)]
pub(super) fn quarters<T>(node: &mut [T]) -> impl Iterator<Item = [&mut T; 4]> {
    let (low, high) = node.split_at_mut(node.len() / 2);
    halves(low).zip(halves(high)).map(|([x0, x1], [x2, x3])| [x0, x1, x2, x3])
}

/// The corresponding entries of the eight eighths of a node.
#[inline(always)]
pub(super) fn eighths<T>(node: &mut [T]) -> impl Iterator<Item = [&mut T; 8]> {
    let (low, high) = node.split_at_mut(node.len() / 2);
    quarters(low)
        .zip(quarters(high))
        .map(|([x0, x1, x2, x3], [x4, x5, x6, x7])| [x0, x1, x2, x3, x4, x5, x6, x7])
}
