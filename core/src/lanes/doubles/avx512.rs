//! Eight doubles in a 512-bit register of x86-64.

use core::arch::x86_64::*;

use super::Doubles;

#[derive(Clone, Copy)]
pub(in crate::lanes) struct Avx512(__m512d);

// SAFETY (every block below): the instructions exist, as values of this type are only handled
// inside `run`; loads and stores go through references to whole chunks and need no alignment.
impl Doubles for Avx512 {
    const WIDTH: usize = 8;
    type Chunk = [f64; 8];
    type Words = [u32; 8];

    #[inline(always)]
    fn chunks(slice: &[f64]) -> &[[f64; 8]] {
        slice.as_chunks().0
    }

    #[inline(always)]
    fn chunks_mut(slice: &mut [f64]) -> &mut [[f64; 8]] {
        slice.as_chunks_mut().0
    }

    #[inline(always)]
    fn words(slice: &[u32]) -> &[[u32; 8]] {
        slice.as_chunks().0
    }

    #[inline(always)]
    fn words_mut(slice: &mut [u32]) -> &mut [[u32; 8]] {
        slice.as_chunks_mut().0
    }

    #[inline(always)]
    fn load(chunk: &[f64; 8]) -> Self {
        Self(unsafe { _mm512_loadu_pd(chunk.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, chunk: &mut [f64; 8]) {
        unsafe { _mm512_storeu_pd(chunk.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn splat(value: f64) -> Self {
        Self(unsafe { _mm512_set1_pd(value) })
    }

    #[inline(always)]
    fn add(self, rhs: Self) -> Self {
        Self(unsafe { _mm512_add_pd(self.0, rhs.0) })
    }

    #[inline(always)]
    fn sub(self, rhs: Self) -> Self {
        Self(unsafe { _mm512_sub_pd(self.0, rhs.0) })
    }

    #[inline(always)]
    fn mul(self, rhs: Self) -> Self {
        Self(unsafe { _mm512_mul_pd(self.0, rhs.0) })
    }

    #[inline(always)]
    fn div(self, rhs: Self) -> Self {
        Self(unsafe { _mm512_div_pd(self.0, rhs.0) })
    }

    #[inline(always)]
    fn less(self, rhs: Self) -> Self {
        let mask = unsafe { _mm512_cmp_pd_mask::<_CMP_LT_OQ>(self.0, rhs.0) };
        Self(unsafe { _mm512_castsi512_pd(_mm512_maskz_set1_epi64(mask, -1)) })
    }

    #[inline(always)]
    fn from_signed(words: &[u32; 8]) -> Self {
        Self(unsafe { _mm512_cvtepi32_pd(_mm256_loadu_si256(words.as_ptr().cast())) })
    }

    #[inline(always)]
    fn and(self, rhs: Self) -> Self {
        Self::from_bits(unsafe { _mm512_and_si512(self.bits(), rhs.bits()) })
    }

    #[inline(always)]
    fn add_bits(self, rhs: Self) -> Self {
        Self::from_bits(unsafe { _mm512_add_epi64(self.bits(), rhs.bits()) })
    }

    #[inline(always)]
    fn low_to_high(self) -> Self {
        Self::from_bits(unsafe { _mm512_slli_epi64::<32>(self.bits()) })
    }

    #[inline(always)]
    fn store_halves(self, low: &mut [u32; 8], high: &mut [u32; 8]) {
        unsafe {
            let upper = _mm512_srli_epi64::<32>(self.bits());
            _mm256_storeu_si256(low.as_mut_ptr().cast(), _mm512_cvtepi64_epi32(self.bits()));
            _mm256_storeu_si256(high.as_mut_ptr().cast(), _mm512_cvtepi64_epi32(upper));
        }
    }

    #[inline(always)]
    fn all_ones(self) -> bool {
        unsafe { _mm512_cmpeq_epi64_mask(self.bits(), _mm512_set1_epi64(-1)) == 0xFF }
    }

    #[inline(always)]
    fn interleave(a: Self, b: Self) -> (Self, Self) {
        unsafe {
            let low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
            let high = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
            (Self(_mm512_permutex2var_pd(a.0, low, b.0)), Self(_mm512_permutex2var_pd(a.0, high, b.0)))
        }
    }
}

impl Avx512 {
    #[inline(always)]
    fn bits(self) -> __m512i {
        unsafe { _mm512_castpd_si512(self.0) }
    }

    #[inline(always)]
    fn from_bits(bits: __m512i) -> Self {
        Self(unsafe { _mm512_castsi512_pd(bits) })
    }
}
