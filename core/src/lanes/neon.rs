//! Four residues in a 128-bit register of aarch64.

use core::arch::aarch64::*;

use super::Lanes;

#[derive(Clone, Copy)]
pub(super) struct Neon(uint32x4_t);

/// Products of the lower and of the upper two lanes.
#[derive(Clone, Copy)]
pub(super) struct Products {
    low: uint64x2_t,
    high: uint64x2_t,
}

// SAFETY (every block below): NEON is part of every aarch64 target that this is compiled for; loads
// and stores go through references to whole chunks and need no alignment.
impl Lanes for Neon {
    const WIDTH: usize = 4;
    const TAIL: usize = 2;
    const VECTORS_AT_ONCE: usize = 8;
    const LAYERS_AT_ONCE: usize = 3;
    const SIGNED_TRANSFORMS: bool = true;
    type Chunk = [u32; 4];
    type Wide = Products;
    type Multiplier = Self;
    type Doubles = super::doubles::Neon;

    #[inline(always)]
    fn chunks(slice: &[u32]) -> &[[u32; 4]] {
        slice.as_chunks().0
    }

    #[inline(always)]
    fn chunks_mut(slice: &mut [u32]) -> &mut [[u32; 4]] {
        slice.as_chunks_mut().0
    }

    #[inline(always)]
    fn load(chunk: &[u32; 4]) -> Self {
        Self(unsafe { vld1q_u32(chunk.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, chunk: &mut [u32; 4]) {
        unsafe { vst1q_u32(chunk.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn from_bytes(bytes: &[u8]) -> Self {
        Self(unsafe { vreinterpretq_u32_u8(vld1q_u8(bytes[..16].as_ptr())) })
    }

    #[inline(always)]
    fn to_bytes(self, bytes: &mut [u8]) {
        unsafe { vst1q_u8(bytes[..16].as_mut_ptr(), vreinterpretq_u8_u32(self.0)) }
    }

    #[inline(always)]
    fn splat(value: u32) -> Self {
        Self(unsafe { vdupq_n_u32(value) })
    }

    #[inline(always)]
    fn multiplier(self) -> Self {
        self
    }

    #[inline(always)]
    fn constant(value: u32) -> Self {
        Self::splat(value)
    }

    #[inline(always)]
    fn shuffle(self, indices: Self) -> Self {
        unsafe {
            // Entry k is the bytes 4k to 4k + 3.
            let first = vmulq_u32(vandq_u32(indices.0, vdupq_n_u32(3)), vdupq_n_u32(0x0404_0404));
            let bytes = vreinterpretq_u8_u32(vaddq_u32(first, vdupq_n_u32(0x0302_0100)));
            Self(vreinterpretq_u32_u8(vqtbl1q_u8(vreinterpretq_u8_u32(self.0), bytes)))
        }
    }

    #[inline(always)]
    fn add(self, rhs: Self) -> Self {
        Self(unsafe { vaddq_u32(self.0, rhs.0) })
    }

    #[inline(always)]
    fn sub(self, rhs: Self) -> Self {
        Self(unsafe { vsubq_u32(self.0, rhs.0) })
    }

    #[inline(always)]
    fn min(self, rhs: Self) -> Self {
        Self(unsafe { vminq_u32(self.0, rhs.0) })
    }

    #[inline(always)]
    fn mul_low(self, rhs: Self) -> Self {
        Self(unsafe { vmulq_u32(self.0, rhs.0) })
    }

    #[inline(always)]
    fn product(a: Self, b: Self) -> Products {
        unsafe {
            Products { low: vmull_u32(vget_low_u32(a.0), vget_low_u32(b.0)), high: vmull_high_u32(a.0, b.0) }
        }
    }

    #[inline(always)]
    fn product_signed(a: Self, b: Self) -> Products {
        unsafe {
            let (a, b) = (vreinterpretq_s32_u32(a.0), vreinterpretq_s32_u32(b.0));
            let low = vmull_s32(vget_low_s32(a), vget_low_s32(b));
            Products { low: vreinterpretq_u64_s64(low), high: vreinterpretq_u64_s64(vmull_high_s32(a, b)) }
        }
    }

    #[inline(always)]
    fn shift_right(self, bits: u32) -> Self {
        // Shifts to the left by negative numbers are shifts to the right.
        Self(unsafe { vshlq_u32(self.0, vdupq_n_s32(-(bits as i32))) })
    }

    #[inline(always)]
    fn shift_left_each(self, bits: Self) -> Self {
        // Instructions look at the low byte of the number, as a signed one.
        let bits = Self::min(bits, Self::splat(32));
        Self(unsafe { vshlq_u32(self.0, vreinterpretq_s32_u32(bits.0)) })
    }

    #[inline(always)]
    fn shift_right_each(self, bits: Self) -> Self {
        let bits = Self::min(bits, Self::splat(32));
        Self(unsafe { vshlq_u32(self.0, vnegq_s32(vreinterpretq_s32_u32(bits.0))) })
    }

    #[inline(always)]
    fn rotate_left(self, bits: u32) -> Self {
        unsafe {
            let left = vshlq_u32(self.0, vdupq_n_s32(bits as i32));
            let right = vshlq_u32(self.0, vdupq_n_s32(bits as i32 - 32));
            Self(vorrq_u32(left, right))
        }
    }

    #[inline(always)]
    fn xor(self, rhs: Self) -> Self {
        Self(unsafe { veorq_u32(self.0, rhs.0) })
    }

    #[inline(always)]
    fn wide_add(a: Products, b: Products) -> Products {
        unsafe { Products { low: vaddq_u64(a.low, b.low), high: vaddq_u64(a.high, b.high) } }
    }

    #[inline(always)]
    fn wide_low(wide: Products) -> Self {
        unsafe { Self(vuzp1q_u32(vreinterpretq_u32_u64(wide.low), vreinterpretq_u32_u64(wide.high))) }
    }

    #[inline(always)]
    fn wide_high(wide: Products) -> Self {
        unsafe { Self(vuzp2q_u32(vreinterpretq_u32_u64(wide.low), vreinterpretq_u32_u64(wide.high))) }
    }

    #[inline(always)]
    fn wide_correction(t: Products, inverse: Self, q: Self) -> Self {
        Self::wide_low(t).mul_low(inverse).mul_high(q)
    }

    #[inline(always)]
    fn interleave(a: Self, b: Self) -> (Self, Self) {
        unsafe { (Self(vzip1q_u32(a.0, b.0)), Self(vzip2q_u32(a.0, b.0))) }
    }

    // Every step is the same: a₀…a₃ | b₀…b₃  →  a₀ b₀ a₁ b₁ | a₂ b₂ a₃ b₃  →  a₀ a₂ b₀ b₂ | a₁ a₃ b₁ b₃.
    // One more brings memory order back.
    #[inline(always)]
    fn split(_: usize, a: Self, b: Self) -> (Self, Self) {
        Self::interleave(a, b)
    }

    #[inline(always)]
    fn join(_: usize, a: Self, b: Self) -> (Self, Self) {
        unsafe { (Self(vuzp1q_u32(a.0, b.0)), Self(vuzp2q_u32(a.0, b.0))) }
    }

    #[inline(always)]
    fn join_all(a: Self, b: Self) -> (Self, Self) {
        Self::interleave(a, b)
    }

    #[inline(always)]
    fn split_all(a: Self, b: Self) -> (Self, Self) {
        Self::join(0, a, b)
    }
}
