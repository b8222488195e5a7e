//! Two doubles in a 128-bit WebAssembly vector.

use core::arch::wasm32::*;

use super::Doubles;

#[derive(Clone, Copy)]
pub(in crate::lanes) struct Simd128(v128);

// SAFETY (every block below): loads and stores go through references to whole chunks and need
// no alignment.
impl Doubles for Simd128 {
    const WIDTH: usize = 2;
    type Chunk = [f64; 2];
    type Words = [u32; 2];

    #[inline(always)]
    fn chunks(slice: &[f64]) -> &[[f64; 2]] {
        slice.as_chunks().0
    }

    #[inline(always)]
    fn chunks_mut(slice: &mut [f64]) -> &mut [[f64; 2]] {
        slice.as_chunks_mut().0
    }

    #[inline(always)]
    fn words(slice: &[u32]) -> &[[u32; 2]] {
        slice.as_chunks().0
    }

    #[inline(always)]
    fn words_mut(slice: &mut [u32]) -> &mut [[u32; 2]] {
        slice.as_chunks_mut().0
    }

    #[inline(always)]
    fn load(chunk: &[f64; 2]) -> Self {
        Self(unsafe { v128_load(chunk.as_ptr().cast()) })
    }

    #[inline(always)]
    fn store(self, chunk: &mut [f64; 2]) {
        unsafe { v128_store(chunk.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    fn splat(value: f64) -> Self {
        Self(f64x2_splat(value))
    }

    #[inline(always)]
    fn add(self, rhs: Self) -> Self {
        Self(f64x2_add(self.0, rhs.0))
    }

    #[inline(always)]
    fn sub(self, rhs: Self) -> Self {
        Self(f64x2_sub(self.0, rhs.0))
    }

    #[inline(always)]
    fn mul(self, rhs: Self) -> Self {
        Self(f64x2_mul(self.0, rhs.0))
    }

    #[inline(always)]
    fn div(self, rhs: Self) -> Self {
        Self(f64x2_div(self.0, rhs.0))
    }

    #[inline(always)]
    fn less(self, rhs: Self) -> Self {
        Self(f64x2_lt(self.0, rhs.0))
    }

    #[inline(always)]
    fn from_signed(words: &[u32; 2]) -> Self {
        Self(f64x2_convert_low_i32x4(unsafe { v128_load64_zero(words.as_ptr().cast()) }))
    }

    #[inline(always)]
    fn and(self, rhs: Self) -> Self {
        Self(v128_and(self.0, rhs.0))
    }

    #[inline(always)]
    fn add_bits(self, rhs: Self) -> Self {
        Self(i64x2_add(self.0, rhs.0))
    }

    #[inline(always)]
    fn low_to_high(self) -> Self {
        Self(i64x2_shl(self.0, 32))
    }

    #[inline(always)]
    fn store_halves(self, low: &mut [u32; 2], high: &mut [u32; 2]) {
        // Low halves in front, high ones behind them.
        let halves = i32x4_shuffle::<0, 2, 1, 3>(self.0, self.0);
        unsafe {
            v128_store64_lane::<0>(halves, low.as_mut_ptr().cast());
            v128_store64_lane::<1>(halves, high.as_mut_ptr().cast());
        }
    }

    #[inline(always)]
    fn all_ones(self) -> bool {
        i64x2_all_true(i64x2_eq(self.0, i64x2_splat(-1)))
    }

    #[inline(always)]
    fn interleave(a: Self, b: Self) -> (Self, Self) {
        (Self(i64x2_shuffle::<0, 2>(a.0, b.0)), Self(i64x2_shuffle::<1, 3>(a.0, b.0)))
    }
}
