//! Butterflies on vectors of complex numbers, the networks of them that several layers are, and the transposition
//! of groups.

use super::{GROUP, Roots, reversed};
use crate::lanes::{Doubles, Lanes, each};

/// Complex numbers.
#[derive(Clone, Copy)]
pub(super) struct Points<D> {
    pub(super) re: D,
    pub(super) im: D,
}

impl<D: Doubles> Points<D> {
    #[inline(always)]
    pub(super) fn load(re: &D::Chunk, im: &D::Chunk) -> Self {
        Self { re: D::load(re), im: D::load(im) }
    }

    #[inline(always)]
    pub(super) fn store(self, re: &mut D::Chunk, im: &mut D::Chunk) {
        self.re.store(re);
        self.im.store(im);
    }
}

/// `(a + wb, a − wb)`.
#[inline(always)]
pub(super) fn up<D: Doubles>(a: Points<D>, b: Points<D>, w: Points<D>) -> (Points<D>, Points<D>) {
    let x = b.re.mul(w.re).sub(b.im.mul(w.im));
    let y = b.re.mul(w.im).add(b.im.mul(w.re));
    (Points { re: a.re.add(x), im: a.im.add(y) }, Points { re: a.re.sub(x), im: a.im.sub(y) })
}

/// `(a + b, (a − b)/w)`.
#[inline(always)]
pub(super) fn down<D: Doubles>(a: Points<D>, b: Points<D>, w: Points<D>) -> (Points<D>, Points<D>) {
    let (x, y) = (a.re.sub(b.re), a.im.sub(b.im));
    let sum = Points { re: a.re.add(b.re), im: a.im.add(b.im) };
    let re = x.mul(w.re).add(y.mul(w.im));
    let im = y.mul(w.re).sub(x.mul(w.im));
    (sum, Points { re, im })
}

/// Factors h + j, 2h + j, … of all roots: those of points h apart, in the order of layers.
pub(super) struct Factors<'a, D: Doubles> {
    cosines: &'a [D::Chunk],
    sines: &'a [D::Chunk],
}

impl<'a, D: Doubles> Factors<'a, D> {
    #[inline(always)]
    pub(super) fn new(roots: &'a Roots) -> Self {
        Self { cosines: D::chunks(&roots.cosines), sines: D::chunks(&roots.sines) }
    }

    /// The factors of the points at j and those `half` apart; places are counted in vectors.
    #[inline(always)]
    fn at<const COUNT: usize>(&self, half: usize, j: usize) -> [Points<D>; COUNT] {
        each(|i| {
            let place = (i + 1) * half + j;
            Points::load(&self.cosines[place], &self.sines[place])
        })
    }
}

/// The factors of a group's layers, the same for every group.
#[inline(always)]
pub(super) fn group_factors<D: Doubles>(roots: &Roots) -> [Points<D>; GROUP - 1] {
    each(|i| Points { re: D::splat(roots.cosines[i + 1]), im: D::splat(roots.sines[i + 1]) })
}

/// Three layers up.
#[inline(always)]
pub(super) fn up_eight<D: Doubles>(a: [Points<D>; 8], w: [Points<D>; 7]) -> [Points<D>; 8] {
    let ([a0, a1, a2, a3, a4, a5, a6, a7], [w1, w2, w3, w4, w5, w6, w7]) = (a, w);
    let ((a0, a1), (a2, a3)) = (up(a0, a1, w1), up(a2, a3, w1));
    let ((a4, a5), (a6, a7)) = (up(a4, a5, w1), up(a6, a7, w1));
    let ((a0, a2), (a1, a3)) = (up(a0, a2, w2), up(a1, a3, w3));
    let ((a4, a6), (a5, a7)) = (up(a4, a6, w2), up(a5, a7, w3));
    let ((a0, a4), (a1, a5)) = (up(a0, a4, w4), up(a1, a5, w5));
    let ((a2, a6), (a3, a7)) = (up(a2, a6, w6), up(a3, a7, w7));
    [a0, a1, a2, a3, a4, a5, a6, a7]
}

/// Two layers up.
#[inline(always)]
fn up_four<D: Doubles>(a: [Points<D>; 4], w: [Points<D>; 3]) -> [Points<D>; 4] {
    let ([a0, a1, a2, a3], [w1, w2, w3]) = (a, w);
    let ((a0, a1), (a2, a3)) = (up(a0, a1, w1), up(a2, a3, w1));
    let ((a0, a2), (a1, a3)) = (up(a0, a2, w2), up(a1, a3, w3));
    [a0, a1, a2, a3]
}

/// Three layers down.
#[inline(always)]
pub(super) fn down_eight<D: Doubles>(a: [Points<D>; 8], w: [Points<D>; 7]) -> [Points<D>; 8] {
    let ([a0, a1, a2, a3, a4, a5, a6, a7], [w1, w2, w3, w4, w5, w6, w7]) = (a, w);
    let ((a0, a4), (a1, a5)) = (down(a0, a4, w4), down(a1, a5, w5));
    let ((a2, a6), (a3, a7)) = (down(a2, a6, w6), down(a3, a7, w7));
    let ((a0, a2), (a1, a3)) = (down(a0, a2, w2), down(a1, a3, w3));
    let ((a4, a6), (a5, a7)) = (down(a4, a6, w2), down(a5, a7, w3));
    let ((a0, a1), (a2, a3)) = (down(a0, a1, w1), down(a2, a3, w1));
    let ((a4, a5), (a6, a7)) = (down(a4, a5, w1), down(a6, a7, w1));
    [a0, a1, a2, a3, a4, a5, a6, a7]
}

/// Two layers down.
#[inline(always)]
fn down_four<D: Doubles>(a: [Points<D>; 4], w: [Points<D>; 3]) -> [Points<D>; 4] {
    let ([a0, a1, a2, a3], [w1, w2, w3]) = (a, w);
    let ((a0, a2), (a1, a3)) = (down(a0, a2, w2), down(a1, a3, w3));
    let ((a0, a1), (a2, a3)) = (down(a0, a1, w1), down(a2, a3, w1));
    [a0, a1, a2, a3]
}

/// Several layers in one pass: a network on `POINTS` points that are `half` vectors apart, everywhere.
#[inline(always)]
fn pass<D: Doubles, const POINTS: usize, const FACTORS: usize>(
    factors: &Factors<'_, D>,
    re: &mut [D::Chunk],
    im: &mut [D::Chunk],
    half: usize,
    network: impl Fn([Points<D>; POINTS], [Points<D>; FACTORS]) -> [Points<D>; POINTS],
) {
    let length = POINTS * half;
    for (re, im) in re.chunks_exact_mut(length).zip(im.chunks_exact_mut(length)) {
        for j in 0..half {
            let points = each(|k| Points::load(&re[j + k * half], &im[j + k * half]));
            let points = network(points, factors.at(half, j));
            for (k, point) in points.into_iter().enumerate() {
                point.store(&mut re[j + k * half], &mut im[j + k * half]);
            }
        }
    }
}

/// One, two or three layers up, the first of which has pairs `half` vectors apart.
#[inline(always)]
pub(super) fn layers_up<L: Lanes>(
    factors: &Factors<'_, L::Doubles>,
    re: &mut [<L::Doubles as Doubles>::Chunk],
    im: &mut [<L::Doubles as Doubles>::Chunk],
    half: usize,
    layers: usize,
) {
    match layers {
        1 => pass(factors, re, im, half, |[a, b], [w]| up(a, b, w).into()),
        _ if layers == 2 || L::LAYERS_AT_ONCE == 2 => pass(factors, re, im, half, up_four),
        _ => pass(factors, re, im, half, up_eight),
    }
}

/// One, two or three layers down, the last of which has pairs `half` vectors apart.
#[inline(always)]
pub(super) fn layers_down<L: Lanes>(
    factors: &Factors<'_, L::Doubles>,
    re: &mut [<L::Doubles as Doubles>::Chunk],
    im: &mut [<L::Doubles as Doubles>::Chunk],
    half: usize,
    layers: usize,
) {
    match layers {
        1 => pass(factors, re, im, half, |[a, b], [w]| down(a, b, w).into()),
        _ if layers == 2 || L::LAYERS_AT_ONCE == 2 => pass(factors, re, im, half, down_four),
        _ => pass(factors, re, im, half, down_eight),
    }
}

/// Where groups lie: as many as a vector has places, whose reversed numbers follow each other.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    first: usize,
    groups: usize,
}

impl Tile {
    /// All tiles of so many entries.
    #[inline(always)]
    pub(super) fn all<D: Doubles>(entries: usize) -> impl Iterator<Item = Self> {
        let groups = entries / GROUP;
        (0..groups).step_by(D::WIDTH).map(move |first| Self { first, groups })
    }

    /// Where vector i of the groups' entries, which has entry i of each group, stands after the reversal of bits.
    #[inline(always)]
    pub(super) fn column<D: Doubles>(self, i: usize) -> usize {
        (reversed(i, GROUP) * self.groups + self.first) / D::WIDTH
    }

    /// Where vector i of the groups, one group after the other, stands before.
    #[inline(always)]
    pub(super) fn row<D: Doubles>(self, i: usize) -> usize {
        let vectors = GROUP / D::WIDTH;
        reversed(self.first + i / vectors, self.groups) * vectors + i % vectors
    }
}

/// From vectors with one entry of several groups to groups one after the other.
#[inline(always)]
pub(super) fn columns_to_rows<D: Doubles>(mut vectors: [D; GROUP]) -> [D; GROUP] {
    for _ in 0..GROUP.ilog2() {
        vectors = dealt(vectors);
    }
    vectors
}

/// Undoes [`columns_to_rows`].
#[inline(always)]
pub(super) fn rows_to_columns<D: Doubles>(mut vectors: [D; GROUP]) -> [D; GROUP] {
    for _ in 0..D::WIDTH.ilog2() {
        vectors = dealt(vectors);
    }
    vectors
}

/// Deals the vectors of both halves out in turns, which moves the highest bit of a vector's number behind all others
/// of an entry's place.
#[inline(always)]
fn dealt<D: Doubles>(vectors: [D; GROUP]) -> [D; GROUP] {
    let mut out = vectors;
    for i in 0..GROUP / 2 {
        (out[2 * i], out[2 * i + 1]) = D::interleave(vectors[i], vectors[i + GROUP / 2]);
    }
    out
}
