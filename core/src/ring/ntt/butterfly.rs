//! Butterflies on vectors of residues that are reduced as late as possible, and the small networks of
//! them that a node's layers are: on four vectors or on eight.

use super::twiddles::Twiddles;
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

/// The factors of a node and its two children, in every lane.
#[inline(always)]
pub(super) fn two_factors<L: Lanes>(twiddles: &Twiddles, node: usize) -> [Factor<L>; 3] {
    let [w2, w3] = twiddles.children(node);
    [Factor::splat(twiddles.node(node)), w2, w3]
}

/// The factors of a node, its two children and their four children, in every lane.
#[inline(always)]
pub(super) fn three_factors<L: Lanes>(twiddles: &Twiddles, node: usize) -> [Factor<L>; 7] {
    let [w1, w2, w3] = two_factors(twiddles, node);
    let ([w4, w5], [w6, w7]) = (twiddles.children(2 * node), twiddles.children(2 * node + 1));
    [w1, w2, w3, w4, w5, w6, w7]
}

/// Three layers down.
#[inline(always)]
pub(super) fn down_eight<L: Lanes>(field: Field<L>, a: [L; 8], w: [Factor<L>; 7]) -> [L; 8] {
    let ([a0, a1, a2, a3, a4, a5, a6, a7], [w1, w2, w3, w4, w5, w6, w7]) = (a, w);
    let (a0, a4) = cooley_tukey(field, a0, a4, w1);
    let (a1, a5) = cooley_tukey(field, a1, a5, w1);
    let (a2, a6) = cooley_tukey(field, a2, a6, w1);
    let (a3, a7) = cooley_tukey(field, a3, a7, w1);
    let (a0, a2) = cooley_tukey(field, a0, a2, w2);
    let (a1, a3) = cooley_tukey(field, a1, a3, w2);
    let (a4, a6) = cooley_tukey(field, a4, a6, w3);
    let (a5, a7) = cooley_tukey(field, a5, a7, w3);
    let (a0, a1) = cooley_tukey(field, a0, a1, w4);
    let (a2, a3) = cooley_tukey(field, a2, a3, w5);
    let (a4, a5) = cooley_tukey(field, a4, a5, w6);
    let (a6, a7) = cooley_tukey(field, a6, a7, w7);
    [a0, a1, a2, a3, a4, a5, a6, a7]
}

/// Two layers down.
#[inline(always)]
pub(super) fn down_four<L: Lanes>(field: Field<L>, a: [L; 4], w: [Factor<L>; 3]) -> [L; 4] {
    let ([a0, a1, a2, a3], [w1, w2, w3]) = (a, w);
    let (a0, a2) = cooley_tukey(field, a0, a2, w1);
    let (a1, a3) = cooley_tukey(field, a1, a3, w1);
    let (a0, a1) = cooley_tukey(field, a0, a1, w2);
    let (a2, a3) = cooley_tukey(field, a2, a3, w3);
    [a0, a1, a2, a3]
}

/// The lower two of three layers up.
#[inline(always)]
fn up_to_last<L: Lanes>(field: Field<L>, a: [L; 8], w: [Factor<L>; 7]) -> [L; 8] {
    let ([a0, a1, a2, a3, a4, a5, a6, a7], [_, w2, w3, w4, w5, w6, w7]) = (a, w);
    let (a0, a1) = gentleman_sande(field, a0, a1, w4);
    let (a2, a3) = gentleman_sande(field, a2, a3, w5);
    let (a4, a5) = gentleman_sande(field, a4, a5, w6);
    let (a6, a7) = gentleman_sande(field, a6, a7, w7);
    let (a0, a2) = gentleman_sande(field, a0, a2, w2);
    let (a1, a3) = gentleman_sande(field, a1, a3, w2);
    let (a4, a6) = gentleman_sande(field, a4, a6, w3);
    let (a5, a7) = gentleman_sande(field, a5, a7, w3);
    [a0, a1, a2, a3, a4, a5, a6, a7]
}

/// Three layers up.
#[inline(always)]
pub(super) fn up_eight<L: Lanes>(field: Field<L>, a: [L; 8], w: [Factor<L>; 7]) -> [L; 8] {
    let ([a0, a1, a2, a3, a4, a5, a6, a7], w1) = (up_to_last(field, a, w), w[0]);
    let (a0, a4) = gentleman_sande(field, a0, a4, w1);
    let (a1, a5) = gentleman_sande(field, a1, a5, w1);
    let (a2, a6) = gentleman_sande(field, a2, a6, w1);
    let (a3, a7) = gentleman_sande(field, a3, a7, w1);
    [a0, a1, a2, a3, a4, a5, a6, a7]
}

/// Three layers up, the last of them with the scaling of the root.
#[inline(always)]
pub(super) fn up_eight_scaled<L: Lanes>(
    field: Field<L>,
    a: [L; 8],
    w: [Factor<L>; 7],
    scaling: [Factor<L>; 2],
) -> [L; 8] {
    let [a0, a1, a2, a3, a4, a5, a6, a7] = up_to_last(field, a, w);
    let (a0, a4) = scaled(field, a0, a4, scaling);
    let (a1, a5) = scaled(field, a1, a5, scaling);
    let (a2, a6) = scaled(field, a2, a6, scaling);
    let (a3, a7) = scaled(field, a3, a7, scaling);
    [a0, a1, a2, a3, a4, a5, a6, a7]
}

/// Two layers up.
#[inline(always)]
pub(super) fn up_four<L: Lanes>(field: Field<L>, a: [L; 4], w: [Factor<L>; 3]) -> [L; 4] {
    let ([a0, a1, a2, a3], [w1, w2, w3]) = (a, w);
    let (a0, a1) = gentleman_sande(field, a0, a1, w2);
    let (a2, a3) = gentleman_sande(field, a2, a3, w3);
    let (a0, a2) = gentleman_sande(field, a0, a2, w1);
    let (a1, a3) = gentleman_sande(field, a1, a3, w1);
    [a0, a1, a2, a3]
}

/// Two layers up, the last of them with the scaling of the root.
#[inline(always)]
pub(super) fn up_four_scaled<L: Lanes>(
    field: Field<L>,
    a: [L; 4],
    w: [Factor<L>; 3],
    scaling: [Factor<L>; 2],
) -> [L; 4] {
    let ([a0, a1, a2, a3], [_, w2, w3]) = (a, w);
    let (a0, a1) = gentleman_sande(field, a0, a1, w2);
    let (a2, a3) = gentleman_sande(field, a2, a3, w3);
    let (a0, a2) = scaled(field, a0, a2, scaling);
    let (a1, a3) = scaled(field, a1, a3, scaling);
    [a0, a1, a2, a3]
}
