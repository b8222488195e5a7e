//! From slots to rounded coefficients.

use super::{
    GROUP, Roots,
    butterfly::{Factors, Points, Tile, down_eight, group_factors, layers_down, rows_to_columns},
};
use crate::lanes::{Doubles, Kernel, Lanes, each};

pub(super) struct FromSlots<'a> {
    pub(super) roots: &'a Roots,
    /// Overwritten.
    pub(super) re: &'a mut [f64],
    pub(super) im: &'a mut [f64],
    /// What coefficients are multiplied by before they are rounded.
    pub(super) factor: f64,
    pub(super) low: &'a mut [u32],
    pub(super) high: &'a mut [u32],
}

impl Kernel for FromSlots<'_> {
    /// Whether all integers are in (−2^62, 2^62).
    type Output = bool;

    #[inline(always)]
    fn run<L: Lanes>(self) -> bool {
        let Self { roots, re, im, factor, low, high } = self;
        let entries = re.len();
        let (re, im) = (L::Doubles::chunks_mut(re), L::Doubles::chunks_mut(im));
        let factors = Factors::<L::Doubles>::new(roots);
        let mut half = re.len();
        while half > GROUP / L::Doubles::WIDTH {
            let layers = L::layers_at_once((half * L::Doubles::WIDTH / GROUP).ilog2() as usize);
            half >>= layers;
            layers_down::<L>(&factors, re, im, half, layers);
        }
        let (low_re, low_im) = low.split_at_mut(entries);
        let (high_re, high_im) = high.split_at_mut(entries);
        let mut out_re = Rounded::<L::Doubles>::new(factor, low_re, high_re);
        let mut out_im = Rounded::<L::Doubles>::new(factor, low_im, high_im);
        let factors = group_factors::<L::Doubles>(roots);
        // The last three layers and the reversal of bits.
        for tile in Tile::all::<L::Doubles>(entries) {
            let columns_re = rows_to_columns(each(|i| L::Doubles::load(&re[tile.row::<L::Doubles>(i)])));
            let columns_im = rows_to_columns(each(|i| L::Doubles::load(&im[tile.row::<L::Doubles>(i)])));
            let points = down_eight(each(|i| Points { re: columns_re[i], im: columns_im[i] }), factors);
            for (i, point) in points.into_iter().enumerate() {
                let place = tile.column::<L::Doubles>(i);
                out_re.write(place, point.re);
                out_im.write(place, point.im);
            }
        }
        out_re.in_range.and(out_im.in_range).all_ones()
    }
}

/// 1.5·2^52: added to a number of at most 2^51, it leaves the nearest integer in the low bits, the even one of two.
const SHIFT: f64 = (3u64 << 51) as f64;
const TWO_32: f64 = (1u64 << 32) as f64;
const TWO_62: f64 = (1u64 << 62) as f64;
const TWO_63: f64 = (1u64 << 63) as f64;

/// Integers that are written, and whether they were in range so far.
struct Rounded<'a, D: Doubles> {
    factor: D,
    low: &'a mut [D::Words],
    high: &'a mut [D::Words],
    in_range: D,
}

impl<'a, D: Doubles> Rounded<'a, D> {
    #[inline(always)]
    fn new(factor: f64, low: &'a mut [u32], high: &'a mut [u32]) -> Self {
        Self {
            factor: D::splat(factor),
            low: D::words_mut(low),
            high: D::words_mut(high),
            in_range: bits(u64::MAX),
        }
    }

    /// Writes values times the factor as integers with 2^62 added, modulo 2^63. What is too large for 64 bits counts
    /// as the nearest such integer, what is no number as 0.
    ///
    /// No branch and no look-up: the time must not tell which value was out of range.
    #[inline(always)]
    fn write(&mut self, place: usize, value: D) {
        let value = value.mul(self.factor);
        let within = |limit: f64| D::splat(-limit).less(value).and(value.less(D::splat(limit)));
        // From 2^52 on all doubles are integers, so the limit can be asked for before rounding.
        self.in_range = self.in_range.and(within(TWO_62));
        let largest = f64::from_bits(TWO_63.to_bits() - 1);
        // −1 where the nearest integer of 64 bits is the largest one: modulo 2^63 that is −1, and the value becomes 0.
        let too_large = D::splat(largest).less(value);
        let value = value.and(within(TWO_63));
        // A multiple of 2^32, and what is left: exact, at most 2^31, and a tie where the value is one.
        let shift = D::splat(SHIFT);
        let upper = value.mul(D::splat(1.0 / TWO_32)).add(shift);
        let lower = value.sub(upper.sub(shift).mul(D::splat(TWO_32))).add(shift);
        let shifts = SHIFT.to_bits().wrapping_add(SHIFT.to_bits() << 32);
        let sum = upper.low_to_high().add_bits(lower).add_bits(too_large);
        let offset = sum.add_bits(bits((1u64 << 62).wrapping_sub(shifts)));
        offset.and(bits(u64::MAX >> 1)).store_halves(&mut self.low[place], &mut self.high[place]);
    }
}

/// The same bits at every place.
#[inline(always)]
fn bits<D: Doubles>(bits: u64) -> D {
    D::splat(f64::from_bits(bits))
}
