//! The transform: down the tree, from coefficients to values.

use super::{
    butterfly::{CooleyTukey, in_turn, inner_layer, layer, residues, three, threes},
    parts::{eighths, halves, has_steps, load, prefetch, quarters, store},
    twiddles::Twiddles,
};
use crate::{
    arithmetic::Modulus,
    lanes::{Kernel, Lanes},
    ring::field::Field,
};

/// The first layers, which end in parts of a polynomial.
pub(super) struct Begin<'a> {
    pub(super) modulus: Modulus,
    pub(super) twiddles: &'a Twiddles,
    pub(super) values: &'a mut [u32],
}

impl Kernel for Begin<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        const { assert!(has_steps::<L>()) };
        if self.twiddles.has_room::<L>() { self.layers::<L, true>() } else { self.layers::<L, false>() }
    }
}

impl Begin<'_> {
    #[inline(always)]
    fn layers<L: Lanes, const ROOM: bool>(self) {
        let vectors = L::chunks_mut(self.values);
        let layers = L::first_layers(vectors.len());
        step::<L, ROOM>(Field::new(self.modulus), self.twiddles, vectors, 1, layers);
    }
}

/// All other layers.
pub(super) struct Finish<'a> {
    pub(super) modulus: Modulus,
    pub(super) twiddles: &'a Twiddles,
    pub(super) values: &'a mut [u32],
}

impl Kernel for Finish<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        if self.twiddles.has_room::<L>() { self.layers::<L, true>() } else { self.layers::<L, false>() }
    }
}

impl Finish<'_> {
    #[inline(always)]
    fn layers<L: Lanes, const ROOM: bool>(self) {
        let Self { modulus, twiddles, values } = self;
        let field = Field::<L>::new(modulus);
        let vectors = L::chunks_mut(values);
        let parts = 1 << L::first_layers(vectors.len());
        let length = vectors.len() / parts;
        for (i, part) in vectors.chunks_exact_mut(length).enumerate() {
            finish::<L, ROOM>(field, twiddles, part, parts + i);
        }
    }
}

/// Does all layers of a node.
#[inline(always)]
fn finish<L: Lanes, const ROOM: bool>(
    field: Field<L>,
    twiddles: &Twiddles,
    vectors: &mut [L::Chunk],
    root: usize,
) {
    let (mut length, mut first) = (vectors.len(), root);
    while length > 1 << L::LAYERS_AT_ONCE {
        let layers = L::layers_at_once(length.trailing_zeros() as usize - L::LAYERS_AT_ONCE);
        for (i, node) in vectors.chunks_exact_mut(length).enumerate() {
            step::<L, ROOM>(field, twiddles, node, first + i, layers);
        }
        length >>= layers;
        first <<= layers;
    }
    // In passes of their own: together, the layers between the last vectors and those inside them make chains
    // longer than the processor can look ahead.
    match (L::VECTORS_AT_ONCE, L::LAYERS_AT_ONCE) {
        (4, _) => {
            last::<L, ROOM, 4, 1>(field, twiddles, vectors, first);
            inside::<L, ROOM, 4>(field, twiddles, vectors, 2 * first);
        }
        (8, 2) => {
            last::<L, ROOM, 8, 2>(field, twiddles, vectors, first);
            inside::<L, ROOM, 8>(field, twiddles, vectors, 2 * first);
        }
        (8, _) => {
            last::<L, ROOM, 8, 1>(field, twiddles, vectors, first);
            inside::<L, ROOM, 8>(field, twiddles, vectors, 4 * first);
        }
        _ => {
            last::<L, ROOM, 16, 2>(field, twiddles, vectors, first);
            inside::<L, ROOM, 16>(field, twiddles, vectors, 4 * first);
        }
    }
}

/// Does so many layers of a node.
#[inline(always)]
fn step<L: Lanes, const ROOM: bool>(
    field: Field<L>,
    twiddles: &Twiddles,
    vectors: &mut [L::Chunk],
    node: usize,
    layers: usize,
) {
    // Known to compilers, so that they leave out what is not called.
    match (L::VECTORS_AT_ONCE, layers.clamp(1, L::LAYERS_AT_ONCE)) {
        (4, 1) => columns::<L, ROOM, 2, 2, 4>(field, twiddles, halves(vectors.as_chunks_mut().0), node),
        (4, _) => columns::<L, ROOM, 4, 1, 4>(field, twiddles, quarters(vectors.as_chunks_mut().0), node),
        (8, 1) => columns::<L, ROOM, 2, 4, 8>(field, twiddles, halves(vectors.as_chunks_mut().0), node),
        (8, 2) => columns::<L, ROOM, 4, 2, 8>(field, twiddles, quarters(vectors.as_chunks_mut().0), node),
        (8, _) => columns::<L, ROOM, 8, 1, 8>(field, twiddles, eighths(vectors.as_chunks_mut().0), node),
        (_, 1) => columns::<L, ROOM, 2, 8, 16>(field, twiddles, halves(vectors.as_chunks_mut().0), node),
        (_, 2) => columns::<L, ROOM, 4, 4, 16>(field, twiddles, quarters(vectors.as_chunks_mut().0), node),
        _ => columns::<L, ROOM, 8, 2, 16>(field, twiddles, eighths(vectors.as_chunks_mut().0), node),
    }
}

/// The layers of a node that make it so many parts.
#[inline(always)]
fn columns<
    'a,
    L: Lanes<Chunk: 'a>,
    const ROOM: bool,
    const PARTS: usize,
    const ADJACENT: usize,
    const VECTORS: usize,
>(
    field: Field<L>,
    twiddles: &Twiddles,
    columns: impl Iterator<Item = [&'a mut [L::Chunk; ADJACENT]; PARTS]>,
    node: usize,
) {
    let w = [three(twiddles, node, PARTS.ilog2(), CooleyTukey::<L, ROOM>)];
    for x in columns {
        if node == 1 {
            prefetch::<L, PARTS, ADJACENT>(&x, 8 * ADJACENT);
        }
        let w = in_turn(&w, 0..PARTS - 1);
        let mut a = load::<L, PARTS, ADJACENT, VECTORS>(&x);
        layer(field, &mut a, VECTORS / 2, &w);
        if PARTS > 2 {
            layer(field, &mut a, VECTORS / 4, &w);
        }
        if PARTS > 4 {
            layer(field, &mut a, VECTORS / 8, &w);
        }
        store(x, a);
    }
}

/// The layers of nodes side by side that end in single vectors.
#[inline(always)]
fn last<L: Lanes, const ROOM: bool, const VECTORS: usize, const NODES: usize>(
    field: Field<L>,
    twiddles: &Twiddles,
    vectors: &mut [L::Chunk],
    first: usize,
) {
    let layers = (VECTORS / NODES).ilog2();
    for (i, x) in vectors.as_chunks_mut::<VECTORS>().0.iter_mut().enumerate() {
        let w = threes::<L, _, NODES>(twiddles, first + NODES * i, layers, CooleyTukey::<L, ROOM>);
        let w = in_turn(&w, 0..VECTORS / NODES - 1);
        let mut a = load::<L, 1, VECTORS, VECTORS>(&[&mut *x]);
        if layers > 2 {
            layer(field, &mut a, 4, &w);
        }
        layer(field, &mut a, 2, &w);
        layer(field, &mut a, 1, &w);
        store([x], a);
    }
}

/// The layers inside vectors, to residues in [0, q). So many vectors together, layer after layer, since one pair
/// alone would leave the processor waiting for each butterfly.
#[inline(always)]
fn inside<L: Lanes, const ROOM: bool, const VECTORS: usize>(
    field: Field<L>,
    twiddles: &Twiddles,
    vectors: &mut [L::Chunk],
    first: usize,
) {
    for (i, x) in vectors.as_chunks_mut::<VECTORS>().0.iter_mut().enumerate() {
        let mut a = load::<L, 1, VECTORS, VECTORS>(&[&mut *x]);
        let factors = twiddles.inside(first + i * VECTORS / 2, VECTORS);
        // Written out, as the compiler would keep a loop over stages and choose the shuffles in every turn.
        inner_layer::<L, CooleyTukey<L, ROOM>, VECTORS>(field, &mut a, 0, factors);
        inner_layer::<L, CooleyTukey<L, ROOM>, VECTORS>(field, &mut a, 1, factors);
        inner_layer::<L, CooleyTukey<L, ROOM>, VECTORS>(field, &mut a, 2, factors);
        inner_layer::<L, CooleyTukey<L, ROOM>, VECTORS>(field, &mut a, 3, factors);
        residues::<L, ROOM, VECTORS>(field, &mut a);
        store([x], a);
    }
}
