//! The transform: down the tree, from coefficients to values.

use super::{
    PARTS,
    butterfly::{cooley_tukey, eighths, halves, quarters},
    twiddles::Twiddles,
};
use crate::{
    arithmetic::Modulus,
    lanes::{Kernel, Lanes},
    ring::field::{Factor, Field},
};

pub(super) struct Forward<'a> {
    pub(super) modulus: Modulus,
    pub(super) twiddles: &'a Twiddles,
    pub(super) values: &'a mut [u32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let field = Field::<L>::new(self.modulus);
        let vectors = L::chunks_mut(self.values);
        let length = vectors.len() / PARTS;
        if length < 2 {
            return node(field, self.twiddles, vectors, 1);
        }
        three_layers(field, self.twiddles, vectors, 1);
        for (i, part) in vectors.chunks_exact_mut(length).enumerate() {
            node(field, self.twiddles, part, PARTS + i);
        }
    }
}

/// Does all layers of a node.
#[inline(always)]
fn node<L: Lanes>(field: Field<L>, twiddles: &Twiddles, vectors: &mut [L::Chunk], root: usize) {
    let (mut length, mut first) = (vectors.len(), root);
    while length > 2 {
        let layers = L::layers_at_once(length.trailing_zeros() as usize - 1);
        for (i, part) in vectors.chunks_exact_mut(length).enumerate() {
            match layers {
                1 => one_layer(field, twiddles, part, first + i),
                2 => two_layers(field, twiddles, part, first + i),
                _ => three_layers(field, twiddles, part, first + i),
            }
        }
        length >>= layers;
        first <<= layers;
    }
    tail(field, twiddles, vectors, first);
}

#[inline(always)]
fn one_layer<L: Lanes>(field: Field<L>, twiddles: &Twiddles, part: &mut [L::Chunk], node: usize) {
    let w = Factor::splat(twiddles.node(node));
    for [x0, x1] in halves(part) {
        let (a0, a1) = cooley_tukey(field, L::load(x0), L::load(x1), w);
        a0.store(x0);
        a1.store(x1);
    }
}

#[inline(always)]
fn two_layers<L: Lanes>(field: Field<L>, twiddles: &Twiddles, part: &mut [L::Chunk], node: usize) {
    let w1 = Factor::splat(twiddles.node(node));
    let [w2, w3] = twiddles.row(2 * node).map(Factor::splat);
    for quarters in quarters(part) {
        let [a0, a1, a2, a3] = quarters.each_ref().map(|x| L::load(x));
        let (a0, a2) = cooley_tukey(field, a0, a2, w1);
        let (a1, a3) = cooley_tukey(field, a1, a3, w1);
        let (a0, a1) = cooley_tukey(field, a0, a1, w2);
        let (a2, a3) = cooley_tukey(field, a2, a3, w3);
        quarters.into_iter().zip([a0, a1, a2, a3]).for_each(|(x, a)| a.store(x));
    }
}

#[inline(always)]
fn three_layers<L: Lanes>(field: Field<L>, twiddles: &Twiddles, part: &mut [L::Chunk], node: usize) {
    let w1 = Factor::splat(twiddles.node(node));
    let [w2, w3] = twiddles.row(2 * node).map(Factor::splat);
    let [w4, w5, w6, w7] = twiddles.row(4 * node).map(Factor::splat);
    for eighths in eighths(part) {
        let [a0, a1, a2, a3, a4, a5, a6, a7] = eighths.each_ref().map(|x| L::load(x));
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
        eighths.into_iter().zip([a0, a1, a2, a3, a4, a5, a6, a7]).for_each(|(x, a)| a.store(x));
    }
}

/// The layer between two vectors, and those inside them, to residues in [0, q).
#[inline(always)]
fn tail<L: Lanes>(field: Field<L>, twiddles: &Twiddles, vectors: &mut [L::Chunk], first: usize) {
    for (i, [x, y]) in vectors.as_chunks_mut().0.iter_mut().enumerate() {
        let w = Factor::splat(twiddles.node(first + i));
        let (mut a, mut b) = cooley_tukey(field, L::load(x), L::load(y), w);
        let inside = twiddles.inside::<L>(first + i);
        for stage in 0..L::TAIL {
            (a, b) = L::split(stage, a, b);
            let w = Factor::load(&inside[2 * stage], &inside[2 * stage + 1]);
            (a, b) = cooley_tukey(field, a, b, w);
        }
        let [a, b] = [a, b].map(|x| x.reduce_once(field.two_q).reduce_once(field.q));
        let (a, b) = L::join_all(a, b);
        a.store(x);
        b.store(y);
    }
}
