//! One double at a time: the reference for every other instance.

use super::Doubles;

#[derive(Clone, Copy)]
pub(in crate::lanes) struct Scalar(f64);

impl Doubles for Scalar {
    const WIDTH: usize = 1;
    type Chunk = [f64; 1];
    type Words = [u32; 1];

    #[inline(always)]
    fn chunks(slice: &[f64]) -> &[[f64; 1]] {
        slice.as_chunks().0
    }

    #[inline(always)]
    fn chunks_mut(slice: &mut [f64]) -> &mut [[f64; 1]] {
        slice.as_chunks_mut().0
    }

    #[inline(always)]
    fn words(slice: &[u32]) -> &[[u32; 1]] {
        slice.as_chunks().0
    }

    #[inline(always)]
    fn words_mut(slice: &mut [u32]) -> &mut [[u32; 1]] {
        slice.as_chunks_mut().0
    }

    #[inline(always)]
    fn load(chunk: &[f64; 1]) -> Self {
        Self(chunk[0])
    }

    #[inline(always)]
    fn store(self, chunk: &mut [f64; 1]) {
        chunk[0] = self.0;
    }

    #[inline(always)]
    fn splat(value: f64) -> Self {
        Self(value)
    }

    #[inline(always)]
    fn add(self, rhs: Self) -> Self {
        Self(self.0 + rhs.0)
    }

    #[inline(always)]
    fn sub(self, rhs: Self) -> Self {
        Self(self.0 - rhs.0)
    }

    #[inline(always)]
    fn mul(self, rhs: Self) -> Self {
        Self(self.0 * rhs.0)
    }

    #[inline(always)]
    fn div(self, rhs: Self) -> Self {
        Self(self.0 / rhs.0)
    }

    #[inline(always)]
    fn less(self, rhs: Self) -> Self {
        Self(f64::from_bits(u64::from(self.0 < rhs.0).wrapping_neg()))
    }

    #[inline(always)]
    fn from_signed(words: &[u32; 1]) -> Self {
        Self(f64::from(words[0] as i32))
    }

    #[inline(always)]
    fn and(self, rhs: Self) -> Self {
        Self(f64::from_bits(self.0.to_bits() & rhs.0.to_bits()))
    }

    #[inline(always)]
    fn add_bits(self, rhs: Self) -> Self {
        Self(f64::from_bits(self.0.to_bits().wrapping_add(rhs.0.to_bits())))
    }

    #[inline(always)]
    fn low_to_high(self) -> Self {
        Self(f64::from_bits(self.0.to_bits() << 32))
    }

    #[inline(always)]
    fn store_halves(self, low: &mut [u32; 1], high: &mut [u32; 1]) {
        low[0] = self.0.to_bits() as u32;
        high[0] = (self.0.to_bits() >> 32) as u32;
    }

    #[inline(always)]
    fn all_ones(self) -> bool {
        self.0.to_bits() == u64::MAX
    }

    #[inline(always)]
    fn interleave(a: Self, b: Self) -> (Self, Self) {
        (a, b)
    }
}
