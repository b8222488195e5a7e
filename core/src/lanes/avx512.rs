//! Sixteen residues in a 512-bit register of x86-64.

use core::arch::x86_64::*;

use super::{Kernel, Lanes, each};

#[derive(Clone, Copy)]
pub(super) struct Avx512(__m512i);

/// Numbers of 64 bits for the even and for the odd lanes; of factors the low half counts.
#[derive(Clone, Copy)]
pub(super) struct Halves {
    even: __m512i,
    odd: __m512i,
}

/// The even lanes of a vector, from where the compiler cannot see the value: it would make two-source
/// permutations of the blends below, which take four cycles instead of one and run at 40 % of the rate.
#[inline(always)]
fn even_lanes() -> __mmask16 {
    let lanes: u32;
    // SAFETY: moves a constant to a register.
    unsafe {
        core::arch::asm!("mov {:e}, 0x5555", out(reg) lanes, options(pure, nomem, nostack, preserves_flags));
    }
    lanes as __mmask16
}

/// Which entries of a pair of vectors stand in each of them after every split: even ones in the first
/// vector, their neighbours in the second.
const SPLIT: [[u32; 16]; 2] = [
    [0, 4, 2, 6, 16, 20, 18, 22, 8, 12, 10, 14, 24, 28, 26, 30],
    [1, 5, 3, 7, 17, 21, 19, 23, 9, 13, 11, 15, 25, 29, 27, 31],
];

/// For the entries of each vector in memory order: where they stand in the pair that is split.
const JOIN: [[u32; 16]; 2] = {
    let mut join = [[0; 16]; 2];
    let mut at = 0;
    while at < 32 {
        let entry = SPLIT[at / 16][at % 16] as usize;
        join[entry / 16][entry % 16] = at as u32;
        at += 1;
    }
    join
};

/// The entries of a pair of vectors in turns, in two vectors.
const INTERLEAVE: [[u32; 16]; 2] = [
    [0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23],
    [8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31],
];

/// Makes a barrier for the compiler of vectors that an empty sequence of instructions seems to change all at once.
#[inline]
#[target_feature(enable = "avx512f")]
fn barrier([v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, v13, v14, v15]: &mut [Avx512; 16]) {
    // SAFETY: the text is a comment, and what comes out is what went in: no memory, stack or flag is touched.
    unsafe {
        core::arch::asm!(
            "/* {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} */",
            inout(zmm_reg) v0.0, inout(zmm_reg) v1.0, inout(zmm_reg) v2.0, inout(zmm_reg) v3.0,
            inout(zmm_reg) v4.0, inout(zmm_reg) v5.0, inout(zmm_reg) v6.0, inout(zmm_reg) v7.0,
            inout(zmm_reg) v8.0, inout(zmm_reg) v9.0, inout(zmm_reg) v10.0, inout(zmm_reg) v11.0,
            inout(zmm_reg) v12.0, inout(zmm_reg) v13.0, inout(zmm_reg) v14.0, inout(zmm_reg) v15.0,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
}

/// Compiles a kernel for AVX-512.
///
/// # Safety
/// The machine must have AVX-512 F.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx512>()
}

// SAFETY (every block below): the instructions exist, as values of this type are only handled
// inside `run`; loads and stores go through references to whole chunks and need no alignment;
// a prefetch reads nothing that the program sees, and cannot fail, whatever the address.
impl Lanes for Avx512 {
    const WIDTH: usize = 16;
    const TAIL: usize = 4;
    const VECTORS_AT_ONCE: usize = 16;
    const LAYERS_AT_ONCE: usize = 3;
    const SPREADS_FACTORS: bool = true;
    const SIGNED_TRANSFORMS: bool = true;
    type Chunk = [u32; 16];
    type Wide = Halves;
    type Multiplier = Halves;
    type Doubles = super::doubles::Avx512;

    #[inline(always)]
    fn chunks(slice: &[u32]) -> &[[u32; 16]] {
        slice.as_chunks().0
    }

    #[inline(always)]
    fn chunks_mut(slice: &mut [u32]) -> &mut [[u32; 16]] {
        slice.as_chunks_mut().0
    }

    #[inline(always)]
    fn load(chunk: &[u32; 16]) -> Self {
        Self(unsafe { _mm512_loadu_si512(chunk.as_ptr().cast()) })
    }

    #[inline(always)]
    fn store(self, chunk: &mut [u32; 16]) {
        unsafe { _mm512_storeu_si512(chunk.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    fn from_bytes(bytes: &[u8]) -> Self {
        Self(unsafe { _mm512_loadu_si512(bytes[..64].as_ptr().cast()) })
    }

    #[inline(always)]
    fn to_bytes(self, bytes: &mut [u8]) {
        unsafe { _mm512_storeu_si512(bytes[..64].as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    fn splat(value: u32) -> Self {
        Self(unsafe { _mm512_set1_epi32(value as i32) })
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
        Halves { even: self.0, odd: unsafe { _mm512_srli_epi64::<32>(self.0) } }
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
        Self(unsafe { _mm512_permutexvar_epi32(indices.0, self.0) })
    }

    #[inline(always)]
    fn add(self, rhs: Self) -> Self {
        Self(unsafe { _mm512_add_epi32(self.0, rhs.0) })
    }

    #[inline(always)]
    fn sub(self, rhs: Self) -> Self {
        Self(unsafe { _mm512_sub_epi32(self.0, rhs.0) })
    }

    #[inline(always)]
    fn min(self, rhs: Self) -> Self {
        Self(unsafe { _mm512_min_epu32(self.0, rhs.0) })
    }

    #[inline(always)]
    fn mul_low(self, rhs: Self) -> Self {
        Self(unsafe { _mm512_mullo_epi32(self.0, rhs.0) })
    }

    #[inline(always)]
    fn product(a: Halves, b: Halves) -> Halves {
        unsafe { Halves { even: _mm512_mul_epu32(a.even, b.even), odd: _mm512_mul_epu32(a.odd, b.odd) } }
    }

    #[inline(always)]
    fn product_signed(a: Halves, b: Halves) -> Halves {
        unsafe { Halves { even: _mm512_mul_epi32(a.even, b.even), odd: _mm512_mul_epi32(a.odd, b.odd) } }
    }

    #[inline(always)]
    fn shift_right(self, bits: u32) -> Self {
        Self(unsafe { _mm512_srl_epi32(self.0, _mm_cvtsi32_si128(bits as i32)) })
    }

    #[inline(always)]
    fn shift_left_each(self, bits: Self) -> Self {
        Self(unsafe { _mm512_sllv_epi32(self.0, bits.0) })
    }

    #[inline(always)]
    fn shift_right_each(self, bits: Self) -> Self {
        Self(unsafe { _mm512_srlv_epi32(self.0, bits.0) })
    }

    #[inline(always)]
    fn rotate_left(self, bits: u32) -> Self {
        Self(unsafe { _mm512_rolv_epi32(self.0, _mm512_set1_epi32(bits as i32)) })
    }

    #[inline(always)]
    fn xor(self, rhs: Self) -> Self {
        Self(unsafe { _mm512_xor_si512(self.0, rhs.0) })
    }

    #[inline(always)]
    fn wide_add(a: Halves, b: Halves) -> Halves {
        unsafe { Halves { even: _mm512_add_epi64(a.even, b.even), odd: _mm512_add_epi64(a.odd, b.odd) } }
    }

    #[inline(always)]
    fn wide_low(wide: Halves) -> Self {
        Self(unsafe { _mm512_mask_shuffle_epi32::<0b10_10_00_00>(wide.even, !even_lanes(), wide.odd) })
    }

    #[inline(always)]
    fn wide_high(wide: Halves) -> Self {
        Self(unsafe { _mm512_mask_shuffle_epi32::<0b11_11_01_01>(wide.odd, even_lanes(), wide.even) })
    }

    #[inline(always)]
    fn wide_correction(t: Halves, inverse: Halves, q: Halves) -> Self {
        // The low half of the first product stands where the second one takes its factor from.
        let product = |t, inverse, q| unsafe { _mm512_mul_epu32(_mm512_mul_epu32(t, inverse), q) };
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
        (a.shuffle_pair(b, &INTERLEAVE[0]), a.shuffle_pair(b, &INTERLEAVE[1]))
    }

    #[inline(always)]
    fn transposed(vectors: [Self; 16]) -> [Self; 16] {
        // Within quarters: four words each of one block of every quarter.
        let rows = |a, b, c, d| unsafe {
            let (ab_low, ab_high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
            let (cd_low, cd_high) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
            [
                _mm512_unpacklo_epi64(ab_low, cd_low),
                _mm512_unpackhi_epi64(ab_low, cd_low),
                _mm512_unpacklo_epi64(ab_high, cd_high),
                _mm512_unpackhi_epi64(ab_high, cd_high),
            ]
        };
        let rows: [_; 4] = each(|i| {
            rows(vectors[4 * i].0, vectors[4 * i + 1].0, vectors[4 * i + 2].0, vectors[4 * i + 3].0)
        });
        // Then whole quarters, from every other one of two vectors.
        let even = |a, b| unsafe { _mm512_shuffle_i32x4::<0b10_00_10_00>(a, b) };
        let odd = |a, b| unsafe { _mm512_shuffle_i32x4::<0b11_01_11_01>(a, b) };
        let mut out = vectors;
        for i in 0..4 {
            let (a, b, c, d) = (rows[0][i], rows[1][i], rows[2][i], rows[3][i]);
            out[i] = Self(even(even(a, b), even(c, d)));
            out[4 + i] = Self(even(odd(a, b), odd(c, d)));
            out[8 + i] = Self(odd(even(a, b), even(c, d)));
            out[12 + i] = Self(odd(odd(a, b), odd(c, d)));
        }
        out
    }

    #[inline(always)]
    fn split(stage: usize, a: Self, b: Self) -> (Self, Self) {
        unsafe {
            match stage {
                // Quarters: a₀ a₁ a₂ a₃ | b₀ b₁ b₂ b₃  →  a₀ a₁ b₀ b₁ | a₂ a₃ b₂ b₃
                0 => (
                    Self(_mm512_shuffle_i64x2::<0b01_00_01_00>(a.0, b.0)),
                    Self(_mm512_shuffle_i64x2::<0b11_10_11_10>(a.0, b.0)),
                ),
                // Quarters: a₀ a₁ a₂ a₃ | b₀ b₁ b₂ b₃  →  a₀ a₂ b₀ b₂ | a₁ a₃ b₁ b₃
                1 => (
                    Self(_mm512_shuffle_i64x2::<0b10_00_10_00>(a.0, b.0)),
                    Self(_mm512_shuffle_i64x2::<0b11_01_11_01>(a.0, b.0)),
                ),
                // The last two stages are within quarters, as those of AVX2 are within halves.
                2 => (Self(_mm512_unpacklo_epi64(a.0, b.0)), Self(_mm512_unpackhi_epi64(a.0, b.0))),
                _ => {
                    let (x, y) = (_mm512_castsi512_ps(a.0), _mm512_castsi512_ps(b.0));
                    let even = _mm512_shuffle_ps::<0b10_00_10_00>(x, y);
                    let odd = _mm512_shuffle_ps::<0b11_01_11_01>(x, y);
                    (Self(_mm512_castps_si512(even)), Self(_mm512_castps_si512(odd)))
                }
            }
        }
    }

    #[inline(always)]
    fn join(stage: usize, a: Self, b: Self) -> (Self, Self) {
        unsafe {
            match stage {
                0 | 2 => Self::split(stage, a, b),
                1 => {
                    let low = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
                    let high = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
                    (
                        Self(_mm512_permutex2var_epi64(a.0, low, b.0)),
                        Self(_mm512_permutex2var_epi64(a.0, high, b.0)),
                    )
                }
                _ => (Self(_mm512_unpacklo_epi32(a.0, b.0)), Self(_mm512_unpackhi_epi32(a.0, b.0))),
            }
        }
    }

    #[inline(always)]
    fn join_all(a: Self, b: Self) -> (Self, Self) {
        (a.shuffle_pair(b, &JOIN[0]), a.shuffle_pair(b, &JOIN[1]))
    }

    #[inline(always)]
    fn split_all(a: Self, b: Self) -> (Self, Self) {
        (a.shuffle_pair(b, &SPLIT[0]), a.shuffle_pair(b, &SPLIT[1]))
    }
}

impl Avx512 {
    /// Takes entries of this vector (0 to 15) and of another one (16 to 31).
    #[inline(always)]
    fn shuffle_pair(self, other: Self, indices: &[u32; 16]) -> Self {
        Self(unsafe { _mm512_permutex2var_epi32(self.0, Self::load(indices).0, other.0) })
    }
}
