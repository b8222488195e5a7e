//! Butterflies on vectors of residues that are reduced as late as possible, and the layers of them that a step does on
//! vectors side by side.

use core::ops::Range;

use super::twiddles::{Inside, Twiddles};
use crate::{
    lanes::Lanes,
    ring::field::{Factor, Field},
};

/// A butterfly with its factors.
pub(super) trait Butterfly<L: Lanes>: Copy {
    fn of(self, field: Field<L>, a: L, b: L) -> (L, L);
    /// See [`Lanes::in_turn`].
    fn in_turn(self) -> Self;
}

/// A butterfly of the layers inside vectors, with the shuffles on one side of it.
pub(super) trait Inner<L: Lanes>: Butterfly<L> {
    fn new(w: Factor<L>) -> Self;
    fn inside(self, field: Field<L>, stage: usize, a: L, b: L) -> (L, L);
}

/// `(a + wb, a − wb)`; from and to [0, 4q). Where there is room in signed numbers, of any that are at most 1.5 q larger
/// in each layer.
#[derive(Clone, Copy)]
pub(super) struct CooleyTukey<L: Lanes, const ROOM: bool>(pub(super) Factor<L>);

impl<L: Lanes, const ROOM: bool> Butterfly<L> for CooleyTukey<L, ROOM> {
    #[inline(always)]
    fn in_turn(self) -> Self {
        Self(self.0.in_turn())
    }

    #[inline(always)]
    fn of(self, field: Field<L>, a: L, b: L) -> (L, L) {
        if ROOM {
            let t = field.mul_signed(b, self.0);
            return (a.add(t), a.sub(t));
        }
        let a = a.reduce_once(field.two_q);
        let t = field.mul_lazy(b, self.0);
        (a.add(t), a.sub(t).add(field.two_q))
    }
}

impl<L: Lanes, const ROOM: bool> Inner<L> for CooleyTukey<L, ROOM> {
    #[inline(always)]
    fn new(w: Factor<L>) -> Self {
        Self(w)
    }

    #[inline(always)]
    fn inside(self, field: Field<L>, stage: usize, a: L, b: L) -> (L, L) {
        let (a, b) = L::split(stage, a, b);
        self.of(field, a, b)
    }
}

/// `(a + b, w(a − b))`; from and to [0, 2q). Where there is room in signed numbers, sums are twice as large after each
/// layer, and products in (−q/2, 3q/2).
#[derive(Clone, Copy)]
pub(super) struct GentlemanSande<L: Lanes, const ROOM: bool>(pub(super) Factor<L>);

impl<L: Lanes, const ROOM: bool> Butterfly<L> for GentlemanSande<L, ROOM> {
    #[inline(always)]
    fn in_turn(self) -> Self {
        Self(self.0.in_turn())
    }

    #[inline(always)]
    fn of(self, field: Field<L>, a: L, b: L) -> (L, L) {
        if ROOM {
            return (a.add(b), field.mul_signed(a.sub(b), self.0));
        }
        let sum = a.add(b).reduce_once(field.two_q);
        (sum, field.mul_lazy(a.sub(b).add(field.two_q), self.0))
    }
}

impl<L: Lanes, const ROOM: bool> Inner<L> for GentlemanSande<L, ROOM> {
    #[inline(always)]
    fn new(w: Factor<L>) -> Self {
        Self(w)
    }

    #[inline(always)]
    fn inside(self, field: Field<L>, stage: usize, a: L, b: L) -> (L, L) {
        let (a, b) = self.of(field, a, b);
        // Of three or four layers, the sums of the last but one: those after it are below 3q.
        let a = if ROOM && L::TAIL > 2 && stage == 1 { field.settle(a) } else { a };
        L::join(stage, a, b)
    }
}

/// The last butterfly of the way back with its scaling, to [0, q): what the sum and what the difference are multiplied
/// by.
#[derive(Clone, Copy)]
pub(super) struct Scaled<L: Lanes, const ROOM: bool>(pub(super) [Factor<L>; 2]);

impl<L: Lanes, const ROOM: bool> Butterfly<L> for Scaled<L, ROOM> {
    #[inline(always)]
    fn in_turn(self) -> Self {
        Self([self.0[0].in_turn(), self.0[1].in_turn()])
    }

    #[inline(always)]
    fn of(self, field: Field<L>, a: L, b: L) -> (L, L) {
        let [sum, difference] = self.0;
        if ROOM {
            let (sum, difference) = (field.mul_signed(a.add(b), sum), field.mul_signed(a.sub(b), difference));
            return (field.residue_near(sum), field.residue_near(difference));
        }
        (field.mul(a.add(b), sum), field.mul(a.sub(b).add(field.two_q), difference))
    }
}

/// The butterflies of three layers: of a node, of its two children and of their four children.
pub(super) type Three<B> = [B; 7];

/// The butterflies of so many layers from a node on, the same ones for each lane; those of further layers repeat the
/// first one.
#[inline(always)]
pub(super) fn three<L: Lanes, B: Butterfly<L>>(
    twiddles: &Twiddles,
    node: usize,
    layers: u32,
    make: impl Fn(Factor<L>) -> B + Copy,
) -> Three<B> {
    let w1 = make(Factor::splat(twiddles.node(node)));
    if layers == 1 {
        return [w1; 7];
    }
    let [w2, w3] = children(twiddles, node, make);
    if layers == 2 {
        return [w1, w2, w3, w1, w1, w1, w1];
    }
    let [w4, w5] = children(twiddles, 2 * node, make);
    let [w6, w7] = children(twiddles, 2 * node + 1, make);
    [w1, w2, w3, w4, w5, w6, w7]
}

/// Those of the butterflies of each node that a step uses, in one turn of its loop.
#[inline(always)]
pub(super) fn in_turn<L: Lanes, B: Butterfly<L>, const NODES: usize>(
    nodes: &[Three<B>; NODES],
    used: Range<usize>,
) -> [Three<B>; NODES] {
    let mut nodes = *nodes;
    let mut node = 0;
    // Not iterators, which compilers may leave as calls.
    while node < NODES {
        let mut i = used.start;
        while i < used.end {
            nodes[node][i] = nodes[node][i].in_turn();
            i += 1;
        }
        node += 1;
    }
    nodes
}

#[inline(always)]
fn children<L: Lanes, B: Butterfly<L>>(
    twiddles: &Twiddles,
    node: usize,
    make: impl Fn(Factor<L>) -> B,
) -> [B; 2] {
    let [low, high] = twiddles.children(node);
    [make(low), make(high)]
}

/// As [`three`], of one node or two.
#[inline(always)]
pub(super) fn threes<L: Lanes, B: Butterfly<L>, const NODES: usize>(
    twiddles: &Twiddles,
    first: usize,
    layers: u32,
    make: impl Fn(Factor<L>) -> B + Copy,
) -> [Three<B>; NODES] {
    let mut nodes = [three(twiddles, first, layers, make); NODES];
    if NODES > 1 {
        nodes[1] = three(twiddles, first + 1, layers, make);
    }
    nodes
}

/// One of the layers of nodes side by side, on vectors so far apart.
#[inline(always)]
pub(super) fn layer<L: Lanes, B: Butterfly<L>, const VECTORS: usize, const NODES: usize>(
    field: Field<L>,
    a: &mut [L; VECTORS],
    distance: usize,
    nodes: &[Three<B>; NODES],
) {
    // Written out, as the compiler would keep a loop.
    two(field, a, 0, distance, nodes);
    if VECTORS > 4 {
        two(field, a, 2, distance, nodes);
    }
    if VECTORS > 8 {
        two(field, a, 4, distance, nodes);
        two(field, a, 6, distance, nodes);
    }
    L::fence(a);
}

/// Two butterflies of a layer.
#[inline(always)]
fn two<L: Lanes, B: Butterfly<L>, const VECTORS: usize, const NODES: usize>(
    field: Field<L>,
    a: &mut [L; VECTORS],
    first: usize,
    distance: usize,
    nodes: &[Three<B>; NODES],
) {
    one(field, a, first, distance, nodes);
    one(field, a, first + 1, distance, nodes);
}

/// One butterfly of a layer.
#[inline(always)]
fn one<L: Lanes, B: Butterfly<L>, const VECTORS: usize, const NODES: usize>(
    field: Field<L>,
    a: &mut [L; VECTORS],
    index: usize,
    distance: usize,
    nodes: &[Three<B>; NODES],
) {
    let block = index / distance;
    let (low, high) = (index + block * distance, index + (block + 1) * distance);
    let blocks = VECTORS / (2 * distance * NODES);
    let butterfly = nodes[block / blocks][blocks - 1 + block % blocks];
    (a[low], a[high]) = butterfly.of(field, a[low], a[high]);
}

/// One of the layers inside pairs of vectors, if they are that wide.
#[inline(always)]
pub(super) fn inner_layer<L: Lanes, B: Inner<L>, const VECTORS: usize>(
    field: Field<L>,
    a: &mut [L; VECTORS],
    stage: usize,
    factors: Inside<'_, L>,
) {
    if stage >= L::TAIL {
        return;
    }
    // Written out as well.
    inner::<L, B>(field, a, 0, stage, factors);
    inner::<L, B>(field, a, 1, stage, factors);
    if VECTORS > 4 {
        inner::<L, B>(field, a, 2, stage, factors);
        inner::<L, B>(field, a, 3, stage, factors);
    }
    if VECTORS > 8 {
        inner::<L, B>(field, a, 4, stage, factors);
        inner::<L, B>(field, a, 5, stage, factors);
        inner::<L, B>(field, a, 6, stage, factors);
        inner::<L, B>(field, a, 7, stage, factors);
    }
    L::fence(a);
}

/// One butterfly of a layer inside vectors.
#[inline(always)]
fn inner<L: Lanes, B: Inner<L>>(
    field: Field<L>,
    a: &mut [L],
    pair: usize,
    stage: usize,
    factors: Inside<'_, L>,
) {
    let (low, high) = (2 * pair, 2 * pair + 1);
    (a[low], a[high]) = B::new(factors.factor(pair, stage)).inside(field, stage, a[low], a[high]);
}

/// Settles those of the vectors in whose place none of these bits is set, if there is room for what is not settled.
#[inline(always)]
pub(super) fn settle<L: Lanes, const ROOM: bool, const VECTORS: usize>(
    field: Field<L>,
    a: &mut [L; VECTORS],
    bits: usize,
) {
    if !ROOM {
        return;
    }
    // Written out as well.
    settle_four(field, a, 0, bits);
    if VECTORS > 4 {
        settle_four(field, a, 4, bits);
    }
    if VECTORS > 8 {
        settle_four(field, a, 8, bits);
        settle_four(field, a, 12, bits);
    }
}

#[inline(always)]
fn settle_four<L: Lanes>(field: Field<L>, a: &mut [L], first: usize, bits: usize) {
    settle_one(field, a, first, bits);
    settle_one(field, a, first + 1, bits);
    settle_one(field, a, first + 2, bits);
    settle_one(field, a, first + 3, bits);
}

#[inline(always)]
fn settle_one<L: Lanes>(field: Field<L>, a: &mut [L], place: usize, bits: usize) {
    if place & bits == 0 {
        a[place] = field.settle(a[place]);
    }
}

/// The last step of the way down, from the order of the last split to residues in [0, q) in that of memory.
#[inline(always)]
pub(super) fn residues<L: Lanes, const ROOM: bool, const VECTORS: usize>(
    field: Field<L>,
    a: &mut [L; VECTORS],
) {
    // Written out as well.
    residue_pair::<L, ROOM>(field, a, 0);
    residue_pair::<L, ROOM>(field, a, 2);
    if VECTORS > 4 {
        residue_pair::<L, ROOM>(field, a, 4);
        residue_pair::<L, ROOM>(field, a, 6);
    }
    if VECTORS > 8 {
        residue_pair::<L, ROOM>(field, a, 8);
        residue_pair::<L, ROOM>(field, a, 10);
        residue_pair::<L, ROOM>(field, a, 12);
        residue_pair::<L, ROOM>(field, a, 14);
    }
}

#[inline(always)]
fn residue_pair<L: Lanes, const ROOM: bool>(field: Field<L>, a: &mut [L], first: usize) {
    let (x, y) = (a[first], a[first + 1]);
    let (x, y) = if ROOM {
        (field.residue(x), field.residue(y))
    } else {
        (x.reduce_once(field.two_q).reduce_once(field.q), y.reduce_once(field.two_q).reduce_once(field.q))
    };
    (a[first], a[first + 1]) = L::join_all(x, y);
}
