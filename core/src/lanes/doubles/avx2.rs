//! Four doubles in a 256-bit register of x86-64.

use core::arch::x86_64::*;

use super::Doubles;

#[derive(Clone, Copy)]
pub(in crate::lanes) struct Avx2(__m256d);

// SAFETY (every block below): the instructions exist, as values of this type are only handled
// inside `run`; loads and stores go through references to whole chunks and need no alignment.
impl Doubles for Avx2 {
    const WIDTH: usize = 4;
    type Chunk = [f64; 4];
    type Words = [u32; 4];

    #[inline(always)]
    fn chunks(slice: &[f64]) -> &[[f64; 4]] {
        slice.as_chunks().0
    }

    #[inline(always)]
    fn chunks_mut(slice: &mut [f64]) -> &mut [[f64; 4]] {
        slice.as_chunks_mut().0
    }

    #[inline(always)]
    fn words(slice: &[u32]) -> &[[u32; 4]] {
        slice.as_chunks().0
    }

    #[inline(always)]
    fn words_mut(slice: &mut [u32]) -> &mut [[u32; 4]] {
        slice.as_chunks_mut().0
    }

    #[inline(always)]
    fn load(chunk: &[f64; 4]) -> Self {
        Self(unsafe { _mm256_loadu_pd(chunk.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, chunk: &mut [f64; 4]) {
        unsafe { _mm256_storeu_pd(chunk.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn splat(value: f64) -> Self {
        Self(unsafe { _mm256_set1_pd(value) })
    }

    #[inline(always)]
    fn add(self, rhs: Self) -> Self {
        Self(unsafe { _mm256_add_pd(self.0, rhs.0) })
    }

    #[inline(always)]
    fn sub(self, rhs: Self) -> Self {
        Self(unsafe { _mm256_sub_pd(self.0, rhs.0) })
    }

    #[inline(always)]
    fn mul(self, rhs: Self) -> Self {
        Self(unsafe { _mm256_mul_pd(self.0, rhs.0) })
    }

    #[inline(always)]
    fn div(self, rhs: Self) -> Self {
        Self(unsafe { _mm256_div_pd(self.0, rhs.0) })
    }

    #[inline(always)]
    fn less(self, rhs: Self) -> Self {
        Self(unsafe { _mm256_cmp_pd::<_CMP_LT_OQ>(self.0, rhs.0) })
    }

    #[inline(always)]
    fn from_signed(words: &[u32; 4]) -> Self {
        Self(unsafe { _mm256_cvtepi32_pd(_mm_loadu_si128(words.as_ptr().cast())) })
    }

    #[inline(always)]
    fn and(self, rhs: Self) -> Self {
        Self(unsafe { _mm256_and_pd(self.0, rhs.0) })
    }

    #[inline(always)]
    fn add_bits(self, rhs: Self) -> Self {
        Self::from_bits(unsafe { _mm256_add_epi64(self.bits(), rhs.bits()) })
    }

    #[inline(always)]
    fn low_to_high(self) -> Self {
        Self::from_bits(unsafe { _mm256_slli_epi64::<32>(self.bits()) })
    }

    #[inline(always)]
    fn store_halves(self, low: &mut [u32; 4], high: &mut [u32; 4]) {
        unsafe {
            // Low halves in front, high ones behind them.
            let halves = _mm256_permutevar8x32_epi32(self.bits(), _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7));
            _mm_storeu_si128(low.as_mut_ptr().cast(), _mm256_castsi256_si128(halves));
            _mm_storeu_si128(high.as_mut_ptr().cast(), _mm256_extracti128_si256::<1>(halves));
        }
    }

    #[inline(always)]
    fn all_ones(self) -> bool {
        unsafe { _mm256_testc_si256(self.bits(), _mm256_set1_epi64x(-1)) == 1 }
    }

    #[inline(always)]
    fn interleave(a: Self, b: Self) -> (Self, Self) {
        unsafe {
            let (even, odd) = (_mm256_unpacklo_pd(a.0, b.0), _mm256_unpackhi_pd(a.0, b.0));
            (
                Self(_mm256_permute2f128_pd::<0b10_0000>(even, odd)),
                Self(_mm256_permute2f128_pd::<0b11_0001>(even, odd)),
            )
        }
    }
}

impl Avx2 {
    #[inline(always)]
    fn bits(self) -> __m256i {
        unsafe { _mm256_castpd_si256(self.0) }
    }

    #[inline(always)]
    fn from_bits(bits: __m256i) -> Self {
        Self(unsafe { _mm256_castsi256_pd(bits) })
    }
}
