//! Eight residues in a 256-bit register of x86-64.

use core::arch::x86_64::*;

use super::{Kernel, Lanes};

#[derive(Clone, Copy)]
pub(super) struct Avx2(__m256i);

/// Numbers of 64 bits for the even and for the odd lanes; of factors the low half counts.
#[derive(Clone, Copy)]
pub(super) struct Halves {
    even: __m256i,
    odd: __m256i,
}

/// Makes a barrier for the compiler of vectors that an empty sequence of instructions seems to change all at once.
#[inline]
#[target_feature(enable = "avx2")]
fn barrier([v0, v1, v2, v3, v4, v5, v6, v7]: &mut [Avx2; 8]) {
    // SAFETY: the text is a comment, and what comes out is what went in: no memory, stack or flag is touched.
    unsafe {
        core::arch::asm!(
            "/* {} {} {} {} {} {} {} {} */",
            inout(ymm_reg) v0.0, inout(ymm_reg) v1.0, inout(ymm_reg) v2.0, inout(ymm_reg) v3.0,
            inout(ymm_reg) v4.0, inout(ymm_reg) v5.0, inout(ymm_reg) v6.0, inout(ymm_reg) v7.0,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
}

/// Compiles a kernel for AVX2.
///
/// # Safety
/// The machine must have AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx2>()
}

// SAFETY (every block below): the instructions exist, as values of this type are only handled
// inside `run`; loads and stores go through references to whole chunks and need no alignment;
// a prefetch reads nothing that the program sees, and cannot fail, whatever the address.
impl Lanes for Avx2 {
    const WIDTH: usize = 8;
    const TAIL: usize = 3;
    const VECTORS_AT_ONCE: usize = 8;
    const LAYERS_AT_ONCE: usize = 2;
    const SIGNED_TRANSFORMS: bool = true;
    type Chunk = [u32; 8];
    type Wide = Halves;
    type Multiplier = Halves;
    type Doubles = super::doubles::Avx2;

    #[inline(always)]
    fn chunks(slice: &[u32]) -> &[[u32; 8]] {
        slice.as_chunks().0
    }

    #[inline(always)]
    fn chunks_mut(slice: &mut [u32]) -> &mut [[u32; 8]] {
        slice.as_chunks_mut().0
    }

    #[inline(always)]
    fn load(chunk: &[u32; 8]) -> Self {
        Self(unsafe { _mm256_loadu_si256(chunk.as_ptr().cast()) })
    }

    #[inline(always)]
    fn store(self, chunk: &mut [u32; 8]) {
        unsafe { _mm256_storeu_si256(chunk.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    fn from_bytes(bytes: &[u8]) -> Self {
        Self(unsafe { _mm256_loadu_si256(bytes[..32].as_ptr().cast()) })
    }

    #[inline(always)]
    fn to_bytes(self, bytes: &mut [u8]) {
        unsafe { _mm256_storeu_si256(bytes[..32].as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    fn splat(value: u32) -> Self {
        Self(unsafe { _mm256_set1_epi32(value as i32) })
    }

    #[inline(always)]
    fn prefetch(chunk: &Self::Chunk, ahead: usize) {
        unsafe { _mm_prefetch::<_MM_HINT_NTA>(chunk.as_ptr().wrapping_add(ahead).cast()) }
    }

    #[inline(always)]
    fn prefetch_to_keep(chunk: &Self::Chunk, ahead: usize) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(chunk.as_ptr().wrapping_add(ahead).cast()) }
    }

    #[inline(always)]
    fn multiplier(self) -> Halves {
        Halves { even: self.0, odd: unsafe { _mm256_srli_epi64::<32>(self.0) } }
    }

    #[inline(always)]
    fn stage_multiplier(stage: usize, factors: Self) -> Halves {
        // Neighbours are of one block, and have the same factor, until the last stage.
        if stage + 1 < Self::TAIL { Halves { even: factors.0, odd: factors.0 } } else { factors.multiplier() }
    }

    #[inline(always)]
    fn constant(value: u32) -> Halves {
        let Self(every) = Self::splat(value);
        Halves { even: every, odd: every }
    }

    #[inline(always)]
    fn shuffle(self, indices: Self) -> Self {
        Self(unsafe { _mm256_permutevar8x32_epi32(self.0, indices.0) })
    }

    #[inline(always)]
    fn add(self, rhs: Self) -> Self {
        Self(unsafe { _mm256_add_epi32(self.0, rhs.0) })
    }

    #[inline(always)]
    fn sub(self, rhs: Self) -> Self {
        Self(unsafe { _mm256_sub_epi32(self.0, rhs.0) })
    }

    #[inline(always)]
    fn min(self, rhs: Self) -> Self {
        Self(unsafe { _mm256_min_epu32(self.0, rhs.0) })
    }

    #[inline(always)]
    fn mul_low(self, rhs: Self) -> Self {
        Self(unsafe { _mm256_mullo_epi32(self.0, rhs.0) })
    }

    #[inline(always)]
    fn product(a: Halves, b: Halves) -> Halves {
        unsafe { Halves { even: _mm256_mul_epu32(a.even, b.even), odd: _mm256_mul_epu32(a.odd, b.odd) } }
    }

    #[inline(always)]
    fn product_signed(a: Halves, b: Halves) -> Halves {
        unsafe { Halves { even: _mm256_mul_epi32(a.even, b.even), odd: _mm256_mul_epi32(a.odd, b.odd) } }
    }

    #[inline(always)]
    fn shift_right(self, bits: u32) -> Self {
        Self(unsafe { _mm256_srl_epi32(self.0, _mm_cvtsi32_si128(bits as i32)) })
    }

    #[inline(always)]
    fn shift_left_each(self, bits: Self) -> Self {
        Self(unsafe { _mm256_sllv_epi32(self.0, bits.0) })
    }

    #[inline(always)]
    fn shift_right_each(self, bits: Self) -> Self {
        Self(unsafe { _mm256_srlv_epi32(self.0, bits.0) })
    }

    #[inline(always)]
    fn rotate_left(self, bits: u32) -> Self {
        unsafe {
            let left = _mm256_sll_epi32(self.0, _mm_cvtsi32_si128(bits as i32));
            let right = _mm256_srl_epi32(self.0, _mm_cvtsi32_si128(32 - bits as i32));
            Self(_mm256_or_si256(left, right))
        }
    }

    #[inline(always)]
    fn xor(self, rhs: Self) -> Self {
        Self(unsafe { _mm256_xor_si256(self.0, rhs.0) })
    }

    #[inline(always)]
    fn wide_add(a: Halves, b: Halves) -> Halves {
        unsafe { Halves { even: _mm256_add_epi64(a.even, b.even), odd: _mm256_add_epi64(a.odd, b.odd) } }
    }

    #[inline(always)]
    fn wide_low(wide: Halves) -> Self {
        Self(unsafe { _mm256_blend_epi32::<0b1010_1010>(wide.even, _mm256_slli_epi64::<32>(wide.odd)) })
    }

    #[inline(always)]
    fn wide_high(wide: Halves) -> Self {
        Self(unsafe { _mm256_blend_epi32::<0b1010_1010>(_mm256_srli_epi64::<32>(wide.even), wide.odd) })
    }

    #[inline(always)]
    fn wide_correction(t: Halves, inverse: Halves, q: Halves) -> Self {
        // The low half of the first product stands where the second one takes its factor from.
        let product = |t, inverse, q| unsafe { _mm256_mul_epu32(_mm256_mul_epu32(t, inverse), q) };
        Self::wide_high(Halves {
            even: product(t.even, inverse.even, q.even),
            odd: product(t.odd, inverse.odd, q.odd),
        })
    }

    #[inline(always)]
    fn fence(vectors: &mut [Self]) {
        if let Ok(vectors) = vectors.try_into() {
            unsafe { barrier(vectors) }
        }
    }

    #[inline(always)]
    fn interleave(a: Self, b: Self) -> (Self, Self) {
        unsafe {
            Self::split(0, Self(_mm256_unpacklo_epi32(a.0, b.0)), Self(_mm256_unpackhi_epi32(a.0, b.0)))
        }
    }

    #[inline(always)]
    fn split(stage: usize, a: Self, b: Self) -> (Self, Self) {
        unsafe {
            match stage {
                // a₀…a₇ | b₀…b₇  →  a₀…a₃ b₀…b₃ | a₄…a₇ b₄…b₇
                0 => (
                    Self(_mm256_permute2x128_si256::<0x20>(a.0, b.0)),
                    Self(_mm256_permute2x128_si256::<0x31>(a.0, b.0)),
                ),
                // per half: a₀…a₃ | a₄…a₇  →  a₀ a₁ a₄ a₅ | a₂ a₃ a₆ a₇
                1 => (Self(_mm256_unpacklo_epi64(a.0, b.0)), Self(_mm256_unpackhi_epi64(a.0, b.0))),
                // per half: a₀ a₁ a₄ a₅ | a₂ a₃ a₆ a₇  →  a₀ a₄ a₂ a₆ | a₁ a₅ a₃ a₇
                _ => {
                    let (x, y) = (_mm256_castsi256_ps(a.0), _mm256_castsi256_ps(b.0));
                    let even = _mm256_shuffle_ps::<0b10_00_10_00>(x, y);
                    let odd = _mm256_shuffle_ps::<0b11_01_11_01>(x, y);
                    (Self(_mm256_castps_si256(even)), Self(_mm256_castps_si256(odd)))
                }
            }
        }
    }

    #[inline(always)]
    fn join(stage: usize, a: Self, b: Self) -> (Self, Self) {
        unsafe {
            match stage {
                0 | 1 => Self::split(stage, a, b),
                _ => (Self(_mm256_unpacklo_epi32(a.0, b.0)), Self(_mm256_unpackhi_epi32(a.0, b.0))),
            }
        }
    }
}
