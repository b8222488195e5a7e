//! The way back: up the tree, from values to coefficients.

use super::{
    PARTS,
    butterfly::{eighths, gentleman_sande, halves, quarters, scaled},
    twiddles::Twiddles,
};
use crate::{
    arithmetic::{Modulus, ShoupFactor},
    lanes::{Kernel, Lanes},
    ring::field::{Factor, Field},
};

pub(super) struct Inverse<'a> {
    pub(super) modulus: Modulus,
    pub(super) twiddles: &'a Twiddles,
    /// What the sums and the differences of the last layer are multiplied by.
    pub(super) scaling: [ShoupFactor; 2],
    pub(super) values: &'a mut [u32],
}

impl Kernel for Inverse<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { modulus, twiddles, scaling, values } = self;
        let field = Field::<L>::new(modulus);
        let scaling = scaling.map(Factor::splat);
        let vectors = L::chunks_mut(values);
        let (parts, length) =
            if vectors.len() >= 2 * PARTS { (PARTS, vectors.len() / PARTS) } else { (2, vectors.len() / 2) };
        for (i, part) in vectors.chunks_exact_mut(length).enumerate() {
            node(field, twiddles, part, parts + i);
        }
        if parts == PARTS {
            three_layers_scaled(field, twiddles, vectors, scaling);
        } else {
            one_layer_scaled(field, vectors, scaling);
        }
    }
}

/// Does all layers of a node.
#[inline(always)]
fn node<L: Lanes>(field: Field<L>, twiddles: &Twiddles, vectors: &mut [L::Chunk], root: usize) {
    let whole = vectors.len() / 2;
    tail(field, twiddles, vectors, root * whole);
    let mut parts = whole;
    while parts > 1 {
        let layers = L::layers_at_once(parts.trailing_zeros() as usize);
        parts >>= layers;
        for (i, part) in vectors.chunks_exact_mut(2 * whole / parts).enumerate() {
            match layers {
                1 => one_layer(field, twiddles, part, root * parts + i),
                2 => two_layers(field, twiddles, part, root * parts + i),
                _ => three_layers(field, twiddles, part, root * parts + i),
            }
        }
    }
}

/// The layers inside vectors, and the one between two of them.
#[inline(always)]
fn tail<L: Lanes>(field: Field<L>, twiddles: &Twiddles, vectors: &mut [L::Chunk], first: usize) {
    for (i, [x, y]) in vectors.as_chunks_mut().0.iter_mut().enumerate() {
        let (mut a, mut b) = L::split_all(L::load(x), L::load(y));
        let inside = twiddles.inside::<L>(first + i);
        for stage in (0..L::TAIL).rev() {
            let w = Factor::load(&inside[2 * stage], &inside[2 * stage + 1]);
            (a, b) = gentleman_sande(field, a, b, w);
            (a, b) = L::join(stage, a, b);
        }
        let (a, b) = gentleman_sande(field, a, b, Factor::splat(twiddles.node(first + i)));
        a.store(x);
        b.store(y);
    }
}

#[inline(always)]
fn one_layer<L: Lanes>(field: Field<L>, twiddles: &Twiddles, part: &mut [L::Chunk], node: usize) {
    let w = Factor::splat(twiddles.node(node));
    for [x0, x1] in halves(part) {
        let (a0, a1) = gentleman_sande(field, L::load(x0), L::load(x1), w);
        a0.store(x0);
        a1.store(x1);
    }
}

#[inline(always)]
fn one_layer_scaled<L: Lanes>(field: Field<L>, vectors: &mut [L::Chunk], scaling: [Factor<L>; 2]) {
    for [x0, x1] in halves(vectors) {
        let (a0, a1) = scaled(field, L::load(x0), L::load(x1), scaling);
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
        let (a0, a1) = gentleman_sande(field, a0, a1, w2);
        let (a2, a3) = gentleman_sande(field, a2, a3, w3);
        let (a0, a2) = gentleman_sande(field, a0, a2, w1);
        let (a1, a3) = gentleman_sande(field, a1, a3, w1);
        quarters.into_iter().zip([a0, a1, a2, a3]).for_each(|(x, a)| a.store(x));
    }
}

#[inline(always)]
fn three_layers<L: Lanes>(field: Field<L>, twiddles: &Twiddles, part: &mut [L::Chunk], node: usize) {
    let w1 = Factor::splat(twiddles.node(node));
    for eighths in eighths(part) {
        let a = eighths.each_ref().map(|x| L::load(x));
        let [a0, a1, a2, a3, a4, a5, a6, a7] = two_of_three(field, twiddles, a, node);
        let (a0, a4) = gentleman_sande(field, a0, a4, w1);
        let (a1, a5) = gentleman_sande(field, a1, a5, w1);
        let (a2, a6) = gentleman_sande(field, a2, a6, w1);
        let (a3, a7) = gentleman_sande(field, a3, a7, w1);
        eighths.into_iter().zip([a0, a1, a2, a3, a4, a5, a6, a7]).for_each(|(x, a)| a.store(x));
    }
}

#[inline(always)]
fn three_layers_scaled<L: Lanes>(
    field: Field<L>,
    twiddles: &Twiddles,
    vectors: &mut [L::Chunk],
    scaling: [Factor<L>; 2],
) {
    for eighths in eighths(vectors) {
        let a = eighths.each_ref().map(|x| L::load(x));
        let [a0, a1, a2, a3, a4, a5, a6, a7] = two_of_three(field, twiddles, a, 1);
        let (a0, a4) = scaled(field, a0, a4, scaling);
        let (a1, a5) = scaled(field, a1, a5, scaling);
        let (a2, a6) = scaled(field, a2, a6, scaling);
        let (a3, a7) = scaled(field, a3, a7, scaling);
        eighths.into_iter().zip([a0, a1, a2, a3, a4, a5, a6, a7]).for_each(|(x, a)| a.store(x));
    }
}

/// The two lower ones of the three layers of a node.
#[inline(always)]
fn two_of_three<L: Lanes>(field: Field<L>, twiddles: &Twiddles, a: [L; 8], node: usize) -> [L; 8] {
    let [w2, w3] = twiddles.row(2 * node).map(Factor::splat);
    let [w4, w5, w6, w7] = twiddles.row(4 * node).map(Factor::splat);
    let [a0, a1, a2, a3, a4, a5, a6, a7] = a;
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
