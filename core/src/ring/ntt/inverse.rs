//! The way back: up the tree, from values to coefficients.

use super::{
    butterfly::{
        gentleman_sande, three_factors, two_factors, up_eight, up_eight_scaled, up_four, up_four_scaled,
    },
    parts::{eighths, halves, load_eight, load_four, quarters, store_eight, store_four},
    twiddles::{Inside, Twiddles},
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
        let vectors = L::chunks_mut(values);
        let parts = 1 << L::LAYERS_AT_ONCE;
        let length = vectors.len() / parts;
        for (i, part) in vectors.chunks_exact_mut(length).enumerate() {
            begin(field, twiddles, part, parts + i);
        }
        let scaling = [Factor::splat(scaling[0]), Factor::splat(scaling[1])];
        match L::LAYERS_AT_ONCE {
            2 => {
                let w = two_factors(twiddles, 1);
                for x in quarters(vectors) {
                    let a = up_four_scaled(field, load_four(&x), w, scaling);
                    store_four(x, a);
                }
            }
            _ => {
                let w = three_factors(twiddles, 1);
                for x in eighths(vectors) {
                    let a = up_eight_scaled(field, load_eight(&x), w, scaling);
                    store_eight(x, a);
                }
            }
        }
    }
}

/// Does all layers of a node.
#[inline(always)]
fn begin<L: Lanes>(field: Field<L>, twiddles: &Twiddles, vectors: &mut [L::Chunk], root: usize) {
    let total = vectors.len();
    let mut length = 1 << L::LAYERS_AT_ONCE;
    let first = root * (total / length);
    // In passes of their own: together, the layers inside vectors and those between the first ones make chains
    // longer than the processor can look ahead.
    match L::LAYERS_AT_ONCE {
        2 => {
            inside::<L, 4>(field, twiddles, vectors, 2 * first);
            for (i, x) in vectors.as_chunks_mut().0.iter_mut().enumerate() {
                let a = up_four(field, x.each_ref().map(L::load), two_factors(twiddles, first + i));
                store_four(x.each_mut(), a);
            }
        }
        _ => {
            inside::<L, 8>(field, twiddles, vectors, 4 * first);
            for (i, x) in vectors.as_chunks_mut().0.iter_mut().enumerate() {
                let a = up_eight(field, x.each_ref().map(L::load), three_factors(twiddles, first + i));
                store_eight(x.each_mut(), a);
            }
        }
    }
    while length < total {
        let layers = L::layers_at_once((total / length).trailing_zeros() as usize);
        length <<= layers;
        let first = root * (total / length);
        for (i, node) in vectors.chunks_exact_mut(length).enumerate() {
            match layers {
                1 => one_layer(field, twiddles, node, first + i),
                2 => two_layers(field, twiddles, node, first + i),
                _ => three_layers(field, twiddles, node, first + i),
            }
        }
    }
}

#[inline(always)]
fn one_layer<L: Lanes>(field: Field<L>, twiddles: &Twiddles, vectors: &mut [L::Chunk], node: usize) {
    let w = Factor::splat(twiddles.node(node));
    for [x0, x1] in halves(vectors) {
        let (a0, a1) = gentleman_sande(field, L::load(x0), L::load(x1), w);
        a0.store(x0);
        a1.store(x1);
    }
}

#[inline(always)]
fn two_layers<L: Lanes>(field: Field<L>, twiddles: &Twiddles, vectors: &mut [L::Chunk], node: usize) {
    let w = two_factors(twiddles, node);
    for x in quarters(vectors) {
        let a = up_four(field, load_four(&x), w);
        store_four(x, a);
    }
}

#[inline(always)]
fn three_layers<L: Lanes>(field: Field<L>, twiddles: &Twiddles, vectors: &mut [L::Chunk], node: usize) {
    let w = three_factors(twiddles, node);
    for x in eighths(vectors) {
        let a = up_eight(field, load_eight(&x), w);
        store_eight(x, a);
    }
}

/// The layers inside vectors. So many vectors together, layer after layer, since one pair alone would leave the
/// processor waiting for each butterfly.
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
        for [a, b] in pairs.iter_mut() {
            (*a, *b) = L::split_all(*a, *b);
        }
        // Written out, as the compiler would keep a loop over stages and choose the shuffles in every turn.
        stage::<L, 3>(field, factors, pairs);
        stage::<L, 2>(field, factors, pairs);
        stage::<L, 1>(field, factors, pairs);
        stage::<L, 0>(field, factors, pairs);
        x.iter_mut().zip(a).for_each(|(x, a)| a.store(x));
    }
}

/// One layer inside vectors, if they are that wide.
#[inline(always)]
fn stage<L: Lanes, const STAGE: usize>(field: Field<L>, factors: Inside<'_, L>, pairs: &mut [[L; 2]]) {
    if STAGE < L::TAIL {
        for (i, [a, b]) in pairs.iter_mut().enumerate() {
            let (x, y) = gentleman_sande(field, *a, *b, factors.factor(i, STAGE));
            (*a, *b) = L::join(STAGE, x, y);
        }
    }
}
