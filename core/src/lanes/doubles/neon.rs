//! Two doubles in a 128-bit register of aarch64.

use core::arch::aarch64::*;

use super::Doubles;

#[derive(Clone, Copy)]
pub(in crate::lanes) struct Neon(float64x2_t);

// SAFETY (every block below): NEON is part of every aarch64 target that this is compiled for; loads
// and stores go through references to whole chunks and need no alignment.
impl Doubles for Neon {
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
        Self(unsafe { vld1q_f64(chunk.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, chunk: &mut [f64; 2]) {
        unsafe { vst1q_f64(chunk.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn splat(value: f64) -> Self {
        Self(unsafe { vdupq_n_f64(value) })
    }

    #[inline(always)]
    fn add(self, rhs: Self) -> Self {
        Self(unsafe { vaddq_f64(self.0, rhs.0) })
    }

    #[inline(always)]
    fn sub(self, rhs: Self) -> Self {
        Self(unsafe { vsubq_f64(self.0, rhs.0) })
    }

    #[inline(always)]
    fn mul(self, rhs: Self) -> Self {
        Self(unsafe { vmulq_f64(self.0, rhs.0) })
    }

    #[inline(always)]
    fn div(self, rhs: Self) -> Self {
        Self(unsafe { vdivq_f64(self.0, rhs.0) })
    }

    #[inline(always)]
    fn less(self, rhs: Self) -> Self {
        Self::from_bits(unsafe { vcltq_f64(self.0, rhs.0) })
    }

    #[inline(always)]
    fn from_signed(words: &[u32; 2]) -> Self {
        unsafe {
            let words = vreinterpret_s32_u32(vld1_u32(words.as_ptr()));
            Self(vcvtq_f64_s64(vmovl_s32(words)))
        }
    }

    #[inline(always)]
    fn and(self, rhs: Self) -> Self {
        Self::from_bits(unsafe { vandq_u64(self.bits(), rhs.bits()) })
    }

    #[inline(always)]
    fn add_bits(self, rhs: Self) -> Self {
        Self::from_bits(unsafe { vaddq_u64(self.bits(), rhs.bits()) })
    }

    #[inline(always)]
    fn low_to_high(self) -> Self {
        Self::from_bits(unsafe { vshlq_n_u64::<32>(self.bits()) })
    }

    #[inline(always)]
    fn store_halves(self, low: &mut [u32; 2], high: &mut [u32; 2]) {
        unsafe {
            vst1_u32(low.as_mut_ptr(), vmovn_u64(self.bits()));
            vst1_u32(high.as_mut_ptr(), vshrn_n_u64::<32>(self.bits()));
        }
    }

    #[inline(always)]
    fn all_ones(self) -> bool {
        unsafe { vgetq_lane_u64::<0>(self.bits()) & vgetq_lane_u64::<1>(self.bits()) == u64::MAX }
    }

    #[inline(always)]
    fn interleave(a: Self, b: Self) -> (Self, Self) {
        unsafe { (Self(vzip1q_f64(a.0, b.0)), Self(vzip2q_f64(a.0, b.0))) }
    }
}

impl Neon {
    #[inline(always)]
    fn bits(self) -> uint64x2_t {
        unsafe { vreinterpretq_u64_f64(self.0) }
    }

    #[inline(always)]
    fn from_bits(bits: uint64x2_t) -> Self {
        Self(unsafe { vreinterpretq_f64_u64(bits) })
    }
}
