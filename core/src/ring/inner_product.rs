//! Inner products of limbs with two right-hand sides that share the left one, reduced once: with limbs of their own,
//! or with the interleaved ones of a key.

use super::{
    field::{self, Field},
    interleaved::Interleaved,
};
use crate::{
    arithmetic::Modulus,
    lanes::{Backend, Kernel, Lanes},
};

/// Most products that one 64-bit sum holds besides a summand, each of two residues below 2^30: 16·(2^30 − 1)² < 2^64.
pub(crate) const MAX_PRODUCTS: usize = 15;

/// How many numbers ahead a key is asked for: 8 KB, which is what memory can deliver while it answers the first
/// request.
const AHEAD: usize = 2048;

/// How many vectors of each sum are worked on side by side: both sums of both fit sixteen registers, and a term's limbs
/// are looked up once for both.
const SIDE_BY_SIDE: usize = 2;

type Pair<L> = [<L as Lanes>::Chunk; SIDE_BY_SIDE];

/// `Σ_k left[k]·right[k]/2^32` entry by entry, for two right-hand sides that share the left one.
///
/// From one to [`MAX_PRODUCTS`] terms; `right` in Montgomery form makes the sums exact.
pub(super) fn inner_products(
    backend: Backend,
    modulus: Modulus,
    left: &[&[u32]],
    right: [&[&[u32]]; 2],
    out: [&mut [u32]; 2],
) {
    debug_assert!((1..=MAX_PRODUCTS).contains(&left.len()));
    backend.run(WithLimbs { modulus, left, right, out });
}

/// What is added to inner products: limbs, one for each, times a factor in Montgomery form.
#[derive(Clone, Copy)]
pub(crate) struct Summand<'a> {
    pub(crate) limbs: [&'a [u32]; 2],
    pub(crate) factor: u32,
}

/// As [`inner_products`], and something added; the first rows of `right` are those of the first term, and so on.
pub(super) fn interleaved(
    backend: Backend,
    modulus: Modulus,
    left: &[&[u32]],
    right: &Interleaved,
    summand: Option<Summand<'_>>,
    out: [&mut [u32]; 2],
) {
    debug_assert!((1..=MAX_PRODUCTS).contains(&left.len()));
    backend.run(WithInterleaved { modulus, left, right, summand, out });
}

struct WithLimbs<'a> {
    modulus: Modulus,
    left: &'a [&'a [u32]],
    right: [&'a [&'a [u32]]; 2],
    out: [&'a mut [u32]; 2],
}

impl Kernel for WithLimbs<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { modulus, left, right, out } = self;
        let (field, fits) = (Field::<L>::new(modulus), field::fits(modulus, left.len()));
        let [out0, out1] = out.map(pairs_mut::<L>);
        for (j, (x, y)) in out0.iter_mut().zip(out1).enumerate() {
            let terms = left.iter().zip(right[0]).zip(right[1]);
            let terms = terms.map(|((l, a), b)| [l, a, b].map(|limb| &pairs::<L>(limb)[j]));
            sum(field, fits, terms, None, [x, y]);
        }
    }
}

struct WithInterleaved<'a> {
    modulus: Modulus,
    left: &'a [&'a [u32]],
    right: &'a Interleaved,
    summand: Option<Summand<'a>>,
    out: [&'a mut [u32]; 2],
}

impl Kernel for WithInterleaved<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { modulus, left, right, summand, out } = self;
        let count = left.len() + usize::from(summand.is_some());
        let (field, fits) = (Field::<L>::new(modulus), field::fits(modulus, count));
        // So many pairs of vectors of each row stand together.
        let together = right.block / (SIDE_BY_SIDE * L::WIDTH);
        let [out0, out1] = out.map(pairs_mut::<L>);
        let out = out0.chunks_exact_mut(together).zip(out1.chunks_exact_mut(together));
        for (i, (block, (out0, out1))) in right.blocks().zip(out).enumerate() {
            let block = pairs::<L>(block);
            for (j, (x, y)) in out0.iter_mut().zip(out1).enumerate() {
                let terms = left.iter().zip(block.chunks_exact(2 * together));
                let terms = terms.map(|(l, rows)| {
                    let [a, b] = [&rows[j], &rows[together + j]];
                    a.iter().chain(b).for_each(|chunk| L::prefetch(chunk, AHEAD));
                    [&pairs::<L>(l)[i * together + j], a, b]
                });
                let summand = summand.map(|Summand { limbs: [b, a], factor }| {
                    let place = i * together + j;
                    ([&pairs::<L>(b)[place], &pairs::<L>(a)[place]], factor)
                });
                sum(field, fits, terms, summand, [x, y]);
            }
        }
    }
}

/// The two sums of one pair of vectors, from the pairs of each term: left, first right-hand side, second one. Added to
/// them is a pair times a factor each.
#[inline(always)]
fn sum<'t, L: Lanes>(
    field: Field<L>,
    fits: bool,
    mut terms: impl Iterator<Item = [&'t Pair<L>; 3]>,
    summand: Option<([&'t Pair<L>; 2], u32)>,
    [[x0, x1], [y0, y1]]: [&mut Pair<L>; 2],
) where
    L::Chunk: 't,
{
    let Some([[l0, l1], [a0, a1], [b0, b1]]) = terms.next() else { return };
    let (l0, l1) = (L::load(l0).multiplier(), L::load(l1).multiplier());
    let (mut a0, mut a1) = (L::load(a0).mul_wide(l0), L::load(a1).mul_wide(l1));
    let (mut b0, mut b1) = (L::load(b0).mul_wide(l0), L::load(b1).mul_wide(l1));
    for [[l0, l1], [c0, c1], [d0, d1]] in terms {
        let (l0, l1) = (L::load(l0).multiplier(), L::load(l1).multiplier());
        a0 = L::wide_add(a0, L::load(c0).mul_wide(l0));
        a1 = L::wide_add(a1, L::load(c1).mul_wide(l1));
        b0 = L::wide_add(b0, L::load(d0).mul_wide(l0));
        b1 = L::wide_add(b1, L::load(d1).mul_wide(l1));
    }
    if let Some(([[c0, c1], [d0, d1]], factor)) = summand {
        let factor = L::turn_constant(factor);
        a0 = L::wide_add(a0, L::load(c0).mul_wide(factor));
        a1 = L::wide_add(a1, L::load(c1).mul_wide(factor));
        b0 = L::wide_add(b0, L::load(d0).mul_wide(factor));
        b1 = L::wide_add(b1, L::load(d1).mul_wide(factor));
    }
    let field = field.in_turn();
    field.montgomery_if(fits, a0).store(x0);
    field.montgomery_if(fits, a1).store(x1);
    field.montgomery_if(fits, b0).store(y0);
    field.montgomery_if(fits, b1).store(y1);
}

/// The pairs of vectors of a limb.
#[inline(always)]
fn pairs<L: Lanes>(limb: &[u32]) -> &[Pair<L>] {
    L::chunks(limb).as_chunks().0
}

#[inline(always)]
fn pairs_mut<L: Lanes>(limb: &mut [u32]) -> &mut [Pair<L>] {
    let (pairs, rest) = L::chunks_mut(limb).as_chunks_mut();
    debug_assert!(rest.is_empty(), "limbs are at least as long as two of the widest vectors");
    pairs
}
