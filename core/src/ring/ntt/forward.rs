//! The transform: down the tree, from coefficients to values.

use super::{
    butterfly::{cooley_tukey, down_eight, down_four, three_factors, two_factors},
    parts::{eighths, halves, load_eight, load_four, quarters, store_eight, store_four},
    twiddles::{Inside, Twiddles},
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
        let Self { modulus, twiddles, values } = self;
        let field = Field::<L>::new(modulus);
        let vectors = L::chunks_mut(values);
        match L::LAYERS_AT_ONCE {
            2 => two_layers(field, twiddles, vectors, 1),
            _ => three_layers(field, twiddles, vectors, 1),
        }
        let parts = 1 << L::LAYERS_AT_ONCE;
        let length = vectors.len() / parts;
        for (i, part) in vectors.chunks_exact_mut(length).enumerate() {
            finish(field, twiddles, part, parts + i);
        }
    }
}

/// Does all layers of a node.
#[inline(always)]
fn finish<L: Lanes>(field: Field<L>, twiddles: &Twiddles, vectors: &mut [L::Chunk], root: usize) {
    let (mut length, mut first) = (vectors.len(), root);
    while length > 1 << L::LAYERS_AT_ONCE {
        let left = length.trailing_zeros() as usize - L::LAYERS_AT_ONCE;
        let layers = L::layers_at_once(left);
        for (i, node) in vectors.chunks_exact_mut(length).enumerate() {
            match layers {
                1 => one_layer(field, twiddles, node, first + i),
                2 => two_layers(field, twiddles, node, first + i),
                _ => three_layers(field, twiddles, node, first + i),
            }
        }
        length >>= layers;
        first <<= layers;
    }
    // In passes of their own: together, the layers between the last vectors and those inside them make chains
    // longer than the processor can look ahead.
    match L::LAYERS_AT_ONCE {
        2 => {
            for (i, x) in vectors.as_chunks_mut().0.iter_mut().enumerate() {
                let a = down_four(field, x.each_ref().map(L::load), two_factors(twiddles, first + i));
                store_four(x.each_mut(), a);
            }
            inside::<L, 4>(field, twiddles, vectors, 2 * first);
        }
        _ => {
            for (i, x) in vectors.as_chunks_mut().0.iter_mut().enumerate() {
                let a = down_eight(field, x.each_ref().map(L::load), three_factors(twiddles, first + i));
                store_eight(x.each_mut(), a);
            }
            inside::<L, 8>(field, twiddles, vectors, 4 * first);
        }
    }
}

#[inline(always)]
fn one_layer<L: Lanes>(field: Field<L>, twiddles: &Twiddles, vectors: &mut [L::Chunk], node: usize) {
    let w = Factor::splat(twiddles.node(node));
    for [x0, x1] in halves(vectors) {
        let (a0, a1) = cooley_tukey(field, L::load(x0), L::load(x1), w);
        a0.store(x0);
        a1.store(x1);
    }
}

#[inline(always)]
fn two_layers<L: Lanes>(field: Field<L>, twiddles: &Twiddles, vectors: &mut [L::Chunk], node: usize) {
    let w = two_factors(twiddles, node);
    for x in quarters(vectors) {
        let a = down_four(field, load_four(&x), w);
        store_four(x, a);
    }
}

#[inline(always)]
fn three_layers<L: Lanes>(field: Field<L>, twiddles: &Twiddles, vectors: &mut [L::Chunk], node: usize) {
    let w = three_factors(twiddles, node);
    for x in eighths(vectors) {
        let a = down_eight(field, load_eight(&x), w);
        store_eight(x, a);
    }
}

/// The layers inside vectors, to residues in [0, q). So many vectors together, layer after layer, since one pair
/// alone would leave the processor waiting for each butterfly.
#[inline(always)]
fn inside<L: Lanes, const TOGETHER: usize>(
    field: Field<L>,
    twiddles: &Twiddles,
    vectors: &mut [L::Chunk],
    first: usize,
) {
    for (i, x) in vectors.as_chunks_mut::<TOGETHER>().0.iter_mut().enumerate() {
        let mut a = x.each_ref().map(L::load);
        let factors = twiddles.inside(first + i * TOGETHER / 2, TOGETHER / 2);
        let pairs = a.as_chunks_mut::<2>().0;
        // Written out, as the compiler would keep a loop over stages and choose the shuffles in every turn.
        stage::<L, 0>(field, factors, pairs);
        stage::<L, 1>(field, factors, pairs);
        stage::<L, 2>(field, factors, pairs);
        stage::<L, 3>(field, factors, pairs);
        for [a, b] in pairs {
            let x = a.reduce_once(field.two_q).reduce_once(field.q);
            let y = b.reduce_once(field.two_q).reduce_once(field.q);
            (*a, *b) = L::join_all(x, y);
        }
        x.iter_mut().zip(a).for_each(|(x, a)| a.store(x));
    }
}

/// One layer inside vectors, if they are that wide.
#[inline(always)]
fn stage<L: Lanes, const STAGE: usize>(field: Field<L>, factors: Inside<'_, L>, pairs: &mut [[L; 2]]) {
    if STAGE < L::TAIL {
        for (i, [a, b]) in pairs.iter_mut().enumerate() {
            let (x, y) = L::split(STAGE, *a, *b);
            (*a, *b) = cooley_tukey(field, x, y, factors.factor(i, STAGE));
        }
    }
}
