//! Four residues in a 128-bit WebAssembly vector.

use core::arch::wasm32::*;

use super::Lanes;

#[derive(Clone, Copy)]
pub(super) struct Simd128(v128);

/// Products of the lower and of the upper two lanes.
#[derive(Clone, Copy)]
pub(super) struct Products {
    low: v128,
    high: v128,
}

/// Factors of a long product.
#[derive(Clone, Copy)]
pub(super) struct Multiplier {
    lanes: v128,
    /// Whether the compiler must not see where the lanes come from.
    hidden: bool,
}

impl Multiplier {
    /// The lanes as an operand of `extmul`.
    ///
    /// The compiler would extend lanes that it knows to be equal, or that do not change in a loop, on their own and
    /// outside of it; it then finds no `extmul` in the loop, but a product of 64-bit numbers, for which engines need
    /// three multiplications and five more instructions. Hiding them costs a store and a load, and a register for as
    /// long as the result is used: where there are several uses in a turn of a loop, see [`Lanes::in_turn`].
    #[inline(always)]
    fn operand(self) -> v128 {
        if self.hidden { core::hint::black_box(self.lanes) } else { self.lanes }
    }
}

/// What there is no instruction for: one entry after the other.
#[inline(always)]
fn each_lane(a: v128, b: v128, operation: impl Fn(u32, u32) -> u32) -> Simd128 {
    Simd128(u32x4(
        operation(u32x4_extract_lane::<0>(a), u32x4_extract_lane::<0>(b)),
        operation(u32x4_extract_lane::<1>(a), u32x4_extract_lane::<1>(b)),
        operation(u32x4_extract_lane::<2>(a), u32x4_extract_lane::<2>(b)),
        operation(u32x4_extract_lane::<3>(a), u32x4_extract_lane::<3>(b)),
    ))
}

// SAFETY (the four blocks below): loads and stores go through references to whole chunks and
// need no alignment.
impl Lanes for Simd128 {
    const WIDTH: usize = 4;
    const TAIL: usize = 2;
    const VECTORS_AT_ONCE: usize = 8;
    const LAYERS_AT_ONCE: usize = 2;
    type Chunk = [u32; 4];
    type Wide = Products;
    type Multiplier = Multiplier;
    type Doubles = super::doubles::Simd128;

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
        Self(unsafe { v128_load(chunk.as_ptr().cast()) })
    }

    #[inline(always)]
    fn store(self, chunk: &mut [u32; 4]) {
        unsafe { v128_store(chunk.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    fn from_bytes(bytes: &[u8]) -> Self {
        Self(unsafe { v128_load(bytes[..16].as_ptr().cast()) })
    }

    #[inline(always)]
    fn to_bytes(self, bytes: &mut [u8]) {
        unsafe { v128_store(bytes[..16].as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    fn splat(value: u32) -> Self {
        Self(u32x4_splat(value))
    }

    #[inline(always)]
    fn multiplier(self) -> Multiplier {
        Multiplier { lanes: self.0, hidden: false }
    }

    #[inline(always)]
    fn constant(value: u32) -> Multiplier {
        Multiplier { lanes: u32x4_splat(value), hidden: true }
    }

    #[inline(always)]
    fn turn_constant(value: u32) -> Multiplier {
        // Nothing can leave the loop, so hiding it once is enough for all uses.
        Multiplier { lanes: core::hint::black_box(u32x4_splat(value)), hidden: false }
    }

    #[inline(always)]
    fn in_turn(factors: Multiplier) -> Multiplier {
        Multiplier { lanes: factors.operand(), hidden: false }
    }

    #[inline(always)]
    fn shuffle(self, indices: Self) -> Self {
        // Entry k is the bytes 4k to 4k + 3.
        let first = u32x4_mul(v128_and(indices.0, u32x4_splat(3)), u32x4_splat(0x0404_0404));
        Self(u8x16_swizzle(self.0, u32x4_add(first, u32x4_splat(0x0302_0100))))
    }

    #[inline(always)]
    fn add(self, rhs: Self) -> Self {
        Self(u32x4_add(self.0, rhs.0))
    }

    #[inline(always)]
    fn sub(self, rhs: Self) -> Self {
        Self(u32x4_sub(self.0, rhs.0))
    }

    #[inline(always)]
    fn min(self, rhs: Self) -> Self {
        Self(u32x4_min(self.0, rhs.0))
    }

    #[inline(always)]
    fn mul_low(self, rhs: Self) -> Self {
        Self(u32x4_mul(self.0, rhs.0))
    }

    #[inline(always)]
    fn product(a: Multiplier, b: Multiplier) -> Products {
        let (a, b) = (a.operand(), b.operand());
        Products { low: u64x2_extmul_low_u32x4(a, b), high: u64x2_extmul_high_u32x4(a, b) }
    }

    #[inline(always)]
    fn product_signed(a: Multiplier, b: Multiplier) -> Products {
        let (a, b) = (a.operand(), b.operand());
        Products { low: i64x2_extmul_low_i32x4(a, b), high: i64x2_extmul_high_i32x4(a, b) }
    }

    #[inline(always)]
    fn shift_right(self, bits: u32) -> Self {
        Self(u32x4_shr(self.0, bits))
    }

    #[inline(always)]
    fn shift_left_each(self, bits: Self) -> Self {
        each_lane(self.0, bits.0, |entry, bits| entry.checked_shl(bits).unwrap_or(0))
    }

    #[inline(always)]
    fn shift_right_each(self, bits: Self) -> Self {
        each_lane(self.0, bits.0, |entry, bits| entry.checked_shr(bits).unwrap_or(0))
    }

    #[inline(always)]
    fn rotate_left(self, bits: u32) -> Self {
        // Halves change places in two steps instead of three; for other whole bytes engines make the indices anew
        // each time.
        Self(match bits {
            16 => u16x8_shuffle::<1, 0, 3, 2, 5, 4, 7, 6>(self.0, self.0),
            _ => v128_or(u32x4_shl(self.0, bits), u32x4_shr(self.0, 32 - bits)),
        })
    }

    #[inline(always)]
    fn xor(self, rhs: Self) -> Self {
        Self(v128_xor(self.0, rhs.0))
    }

    #[inline(always)]
    fn wide_add(a: Products, b: Products) -> Products {
        Products { low: u64x2_add(a.low, b.low), high: u64x2_add(a.high, b.high) }
    }

    #[inline(always)]
    fn wide_low(wide: Products) -> Self {
        Self(u32x4_shuffle::<0, 2, 4, 6>(wide.low, wide.high))
    }

    #[inline(always)]
    fn wide_high(wide: Products) -> Self {
        Self(u32x4_shuffle::<1, 3, 5, 7>(wide.low, wide.high))
    }

    #[inline(always)]
    fn wide_correction(t: Products, inverse: Multiplier, q: Multiplier) -> Self {
        Self::wide_low(t).mul_low(Self(inverse.lanes)).mul_high(q)
    }

    #[inline(always)]
    fn interleave(a: Self, b: Self) -> (Self, Self) {
        (Self(u32x4_shuffle::<0, 4, 1, 5>(a.0, b.0)), Self(u32x4_shuffle::<2, 6, 3, 7>(a.0, b.0)))
    }

    // Every step is the same: a₀…a₃ | b₀…b₃  →  a₀ b₀ a₁ b₁ | a₂ b₂ a₃ b₃  →  a₀ a₂ b₀ b₂ | a₁ a₃ b₁ b₃.
    // One more brings memory order back.
    #[inline(always)]
    fn split(_: usize, a: Self, b: Self) -> (Self, Self) {
        Self::interleave(a, b)
    }

    #[inline(always)]
    fn join(_: usize, a: Self, b: Self) -> (Self, Self) {
        (Self(u32x4_shuffle::<0, 2, 4, 6>(a.0, b.0)), Self(u32x4_shuffle::<1, 3, 5, 7>(a.0, b.0)))
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
