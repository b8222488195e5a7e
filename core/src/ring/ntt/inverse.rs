//! The way back: up the tree, from values to coefficients.

use super::{
    butterfly::{
        gentleman_sande, three_factors, two_factors, up_eight, up_eight_scaled, up_four, up_four_scaled,
    },
    parts::{eighths, halves, load_eight, load_four, quarters, store_eight, store_four},
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
    for (i, node) in vectors.chunks_exact_mut(length).enumerate() {
        match L::LAYERS_AT_ONCE {
            2 => first_of_four(field, twiddles, node, first + i),
            _ => first_of_eight(field, twiddles, node, first + i),
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

/// The first layers of a node of four vectors: those inside vectors, then two between them.
#[inline(always)]
fn first_of_four<L: Lanes>(field: Field<L>, twiddles: &Twiddles, vectors: &mut [L::Chunk], node: usize) {
    for x in quarters(vectors) {
        let mut a = load_four(&x);
        inside(field, twiddles, &mut a, 2 * node);
        store_four(x, up_four(field, a, two_factors(twiddles, node)));
    }
}

/// The first layers of a node of eight vectors: those inside vectors, then three between them.
#[inline(always)]
fn first_of_eight<L: Lanes>(field: Field<L>, twiddles: &Twiddles, vectors: &mut [L::Chunk], node: usize) {
    for x in eighths(vectors) {
        let mut a = load_eight(&x);
        inside(field, twiddles, &mut a, 4 * node);
        store_eight(x, up_eight(field, a, three_factors(twiddles, node)));
    }
}

/// The layers inside vectors. Layer after layer for all pairs, since one pair alone would leave the
/// processor waiting for each butterfly.
#[inline(always)]
fn inside<L: Lanes>(field: Field<L>, twiddles: &Twiddles, vectors: &mut [L], first: usize) {
    let pairs = vectors.as_chunks_mut::<2>().0;
    for [a, b] in pairs.iter_mut() {
        (*a, *b) = L::split_all(*a, *b);
    }
    // Written out, as the compiler would keep a loop over stages and choose the shuffles in every turn.
    stage::<L, 3>(field, twiddles, pairs, first);
    stage::<L, 2>(field, twiddles, pairs, first);
    stage::<L, 1>(field, twiddles, pairs, first);
    stage::<L, 0>(field, twiddles, pairs, first);
}

/// One layer inside vectors, if they are that wide.
#[inline(always)]
fn stage<L: Lanes, const STAGE: usize>(
    field: Field<L>,
    twiddles: &Twiddles,
    pairs: &mut [[L; 2]],
    first: usize,
) {
    if STAGE < L::TAIL {
        for (i, [a, b]) in pairs.iter_mut().enumerate() {
            let (x, y) = gentleman_sande(field, *a, *b, twiddles.inside(first + i, STAGE));
            (*a, *b) = L::join(STAGE, x, y);
        }
    }
}
