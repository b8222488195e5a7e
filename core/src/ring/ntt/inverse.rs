//! The way back: up the tree, from values to coefficients.

use super::{
    butterfly::{Butterfly, GentlemanSande, Scaled, in_turn, inner_layer, layer, settle, three, threes},
    parts::{eighths, halves, has_steps, load, prefetch, quarters, store},
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
    /// What is transformed, if it does not stand where the result goes.
    pub(super) from: Option<&'a [u32]>,
    pub(super) values: &'a mut [u32],
}

impl Kernel for Inverse<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        const { assert!(has_steps::<L>()) };
        if self.twiddles.has_room::<L>() { self.layers::<L, true>() } else { self.layers::<L, false>() }
    }
}

impl Inverse<'_> {
    #[inline(always)]
    fn layers<L: Lanes, const ROOM: bool>(self) {
        let Self { modulus, twiddles, scaling, from, values } = self;
        let field = Field::<L>::new(modulus);
        let (from, vectors) = (from.map(L::chunks), L::chunks_mut(values));
        let layers = L::first_layers(vectors.len());
        let parts = 1 << layers;
        let length = vectors.len() / parts;
        for (i, part) in vectors.chunks_exact_mut(length).enumerate() {
            let from = from.map(|from| &from[i * length..][..length]);
            begin::<L, ROOM>(field, twiddles, from, part, parts + i);
        }
        let [sum, difference] = scaling;
        let scaling = [Factor::splat(twiddles.stored(sum)), Factor::splat(twiddles.stored(difference))];
        let top = Scaled::<L, ROOM>(scaling);
        step::<L, ROOM>(field, twiddles, vectors, 1, layers, top);
    }
}

/// Does all layers of a node.
#[inline(always)]
fn begin<L: Lanes, const ROOM: bool>(
    field: Field<L>,
    twiddles: &Twiddles,
    from: Option<&[L::Chunk]>,
    vectors: &mut [L::Chunk],
    root: usize,
) {
    let total = vectors.len();
    let mut length = 1 << L::LAYERS_AT_ONCE;
    let first = root * (total / length);
    // In passes of their own: together, the layers inside vectors and those between the first ones make chains
    // longer than the processor can look ahead.
    match (L::VECTORS_AT_ONCE, L::LAYERS_AT_ONCE) {
        (4, _) => {
            inside::<L, ROOM, 4>(field, twiddles, from, vectors, 2 * first);
            self::first::<L, ROOM, 4, 1>(field, twiddles, vectors, first);
        }
        (8, 2) => {
            inside::<L, ROOM, 8>(field, twiddles, from, vectors, 2 * first);
            self::first::<L, ROOM, 8, 2>(field, twiddles, vectors, first);
        }
        (8, _) => {
            inside::<L, ROOM, 8>(field, twiddles, from, vectors, 4 * first);
            self::first::<L, ROOM, 8, 1>(field, twiddles, vectors, first);
        }
        _ => {
            inside::<L, ROOM, 16>(field, twiddles, from, vectors, 4 * first);
            self::first::<L, ROOM, 16, 2>(field, twiddles, vectors, first);
        }
    }
    while length < total {
        let layers = L::layers_at_once((total / length).trailing_zeros() as usize);
        length <<= layers;
        let first = root * (total / length);
        for (i, node) in vectors.chunks_exact_mut(length).enumerate() {
            let top = GentlemanSande::<L, ROOM>(Factor::splat(twiddles.node(first + i)));
            step::<L, ROOM>(field, twiddles, node, first + i, layers, top);
        }
    }
}

/// Does so many layers of a node, the last of them by such butterflies.
#[inline(always)]
fn step<L: Lanes, const ROOM: bool>(
    field: Field<L>,
    twiddles: &Twiddles,
    vectors: &mut [L::Chunk],
    node: usize,
    layers: usize,
    top: impl Butterfly<L>,
) {
    // Known to compilers, so that they leave out what is not called.
    match (L::VECTORS_AT_ONCE, layers.clamp(1, L::LAYERS_AT_ONCE)) {
        (4, 1) => columns::<L, ROOM, 2, 2, 4>(field, twiddles, halves(vectors.as_chunks_mut().0), node, top),
        (4, _) => {
            columns::<L, ROOM, 4, 1, 4>(field, twiddles, quarters(vectors.as_chunks_mut().0), node, top)
        }
        (8, 1) => columns::<L, ROOM, 2, 4, 8>(field, twiddles, halves(vectors.as_chunks_mut().0), node, top),
        (8, 2) => {
            columns::<L, ROOM, 4, 2, 8>(field, twiddles, quarters(vectors.as_chunks_mut().0), node, top)
        }
        (8, _) => columns::<L, ROOM, 8, 1, 8>(field, twiddles, eighths(vectors.as_chunks_mut().0), node, top),
        (_, 1) => columns::<L, ROOM, 2, 8, 16>(field, twiddles, halves(vectors.as_chunks_mut().0), node, top),
        (_, 2) => {
            columns::<L, ROOM, 4, 4, 16>(field, twiddles, quarters(vectors.as_chunks_mut().0), node, top)
        }
        _ => columns::<L, ROOM, 8, 2, 16>(field, twiddles, eighths(vectors.as_chunks_mut().0), node, top),
    }
}

/// The layers that make a node of so many parts, the last of them by such butterflies.
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
    top: impl Butterfly<L>,
) {
    let w = [three(twiddles, node, PARTS.ilog2(), GentlemanSande::<L, ROOM>)];
    for x in columns {
        let (w, top) = (in_turn(&w, 1..PARTS - 1), top.in_turn());
        let mut a = load::<L, PARTS, ADJACENT, VECTORS>(&x);
        if PARTS > 4 {
            layer(field, &mut a, VECTORS / 8, &w);
        }
        if PARTS > 2 {
            layer(field, &mut a, VECTORS / 4, &w);
        }
        layer(field, &mut a, VECTORS / 2, &[[top; 7]]);
        if node > 1 {
            // Those that are sums of the last two layers, or of one alone.
            let sums = if PARTS > 2 { VECTORS / 2 + VECTORS / 4 } else { VECTORS / 2 };
            settle::<L, ROOM, VECTORS>(field, &mut a, sums);
        }
        store(x, a);
    }
}

/// The layers of nodes side by side that begin with single vectors.
#[inline(always)]
fn first<L: Lanes, const ROOM: bool, const VECTORS: usize, const NODES: usize>(
    field: Field<L>,
    twiddles: &Twiddles,
    vectors: &mut [L::Chunk],
    first: usize,
) {
    let layers = (VECTORS / NODES).ilog2();
    for (i, x) in vectors.as_chunks_mut::<VECTORS>().0.iter_mut().enumerate() {
        let w = threes::<L, _, NODES>(twiddles, first + NODES * i, layers, GentlemanSande::<L, ROOM>);
        let w = in_turn(&w, 0..VECTORS / NODES - 1);
        let mut a = load::<L, 1, VECTORS, VECTORS>(&[&mut *x]);
        layer(field, &mut a, 1, &w);
        layer(field, &mut a, 2, &w);
        if layers > 2 {
            layer(field, &mut a, 4, &w);
        }
        // Those that are sums of the last two layers.
        settle::<L, ROOM, VECTORS>(field, &mut a, if layers > 2 { 2 | 4 } else { 1 | 2 });
        store([x], a);
    }
}

/// The layers inside vectors. So many vectors together, layer after layer, since one pair alone would leave the
/// processor waiting for each butterfly.
#[inline(always)]
fn inside<L: Lanes, const ROOM: bool, const VECTORS: usize>(
    field: Field<L>,
    twiddles: &Twiddles,
    from: Option<&[L::Chunk]>,
    vectors: &mut [L::Chunk],
    first: usize,
) {
    let from = from.map(|from| from.as_chunks::<VECTORS>().0);
    for (i, x) in vectors.as_chunks_mut::<VECTORS>().0.iter_mut().enumerate() {
        let y = from.map_or(&*x, |from| &from[i]);
        prefetch::<L, 1, VECTORS>(&[y], 4 * VECTORS);
        if from.is_some() {
            prefetch::<L, 1, VECTORS>(&[&*x], 4 * VECTORS);
        }
        let mut a = load::<L, 1, VECTORS, VECTORS>(&[y]);
        let factors = twiddles.inside(first + i * VECTORS / 2, VECTORS);
        for [a, b] in a.as_chunks_mut().0 {
            (*a, *b) = L::split_all(*a, *b);
        }
        L::fence(&mut a);
        // Written out, as the compiler would keep a loop over stages and choose the shuffles in every turn.
        inner_layer::<L, GentlemanSande<L, ROOM>, VECTORS>(field, &mut a, 3, factors);
        inner_layer::<L, GentlemanSande<L, ROOM>, VECTORS>(field, &mut a, 2, factors);
        inner_layer::<L, GentlemanSande<L, ROOM>, VECTORS>(field, &mut a, 1, factors);
        inner_layer::<L, GentlemanSande<L, ROOM>, VECTORS>(field, &mut a, 0, factors);
        store([x], a);
    }
}
