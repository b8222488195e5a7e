//! One residue at a time: the reference for every other instance.

use super::Lanes;

#[derive(Clone, Copy)]
pub(super) struct Scalar(u32);

impl Lanes for Scalar {
    const WIDTH: usize = 1;
    const TAIL: usize = 0;
    const VECTORS_AT_ONCE: usize = 4;
    const LAYERS_AT_ONCE: usize = 2;
    type Chunk = [u32; 1];
    type Wide = u64;
    type Multiplier = Self;
    type Doubles = super::doubles::Scalar;

    #[inline(always)]
    fn chunks(slice: &[u32]) -> &[[u32; 1]] {
        slice.as_chunks().0
    }

    #[inline(always)]
    fn chunks_mut(slice: &mut [u32]) -> &mut [[u32; 1]] {
        slice.as_chunks_mut().0
    }

    #[inline(always)]
    fn load(chunk: &[u32; 1]) -> Self {
        Self(chunk[0])
    }

    #[inline(always)]
    fn store(self, chunk: &mut [u32; 1]) {
        chunk[0] = self.0;
    }

    #[inline(always)]
    fn from_bytes(bytes: &[u8]) -> Self {
        Self(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    #[inline(always)]
    fn to_bytes(self, bytes: &mut [u8]) {
        bytes[..4].copy_from_slice(&self.0.to_le_bytes());
    }

    #[inline(always)]
    fn splat(value: u32) -> Self {
        Self(value)
    }

    #[inline(always)]
    fn multiplier(self) -> Self {
        self
    }

    #[inline(always)]
    fn constant(value: u32) -> Self {
        Self(value)
    }

    #[inline(always)]
    fn shuffle(self, _: Self) -> Self {
        self
    }

    #[inline(always)]
    fn add(self, rhs: Self) -> Self {
        Self(self.0.wrapping_add(rhs.0))
    }

    #[inline(always)]
    fn sub(self, rhs: Self) -> Self {
        Self(self.0.wrapping_sub(rhs.0))
    }

    #[inline(always)]
    fn min(self, rhs: Self) -> Self {
        // A mask instead of a comparison that the compiler might turn into a branch.
        let smaller = (u64::from(self.0).wrapping_sub(u64::from(rhs.0)) >> 32) as u32;
        Self((self.0 & smaller) | (rhs.0 & !smaller))
    }

    #[inline(always)]
    fn mul_low(self, rhs: Self) -> Self {
        Self(self.0.wrapping_mul(rhs.0))
    }

    #[inline(always)]
    fn product(a: Self, b: Self) -> u64 {
        u64::from(a.0) * u64::from(b.0)
    }

    #[inline(always)]
    fn product_signed(a: Self, b: Self) -> u64 {
        (i64::from(a.0 as i32) * i64::from(b.0 as i32)) as u64
    }

    #[inline(always)]
    fn shift_right(self, bits: u32) -> Self {
        Self(self.0 >> bits)
    }

    #[inline(always)]
    fn shift_left_each(self, bits: Self) -> Self {
        Self(self.0.checked_shl(bits.0).unwrap_or(0))
    }

    #[inline(always)]
    fn shift_right_each(self, bits: Self) -> Self {
        Self(self.0.checked_shr(bits.0).unwrap_or(0))
    }

    #[inline(always)]
    fn rotate_left(self, bits: u32) -> Self {
        Self(self.0.rotate_left(bits))
    }

    #[inline(always)]
    fn xor(self, rhs: Self) -> Self {
        Self(self.0 ^ rhs.0)
    }

    #[inline(always)]
    fn wide_add(a: u64, b: u64) -> u64 {
        a.wrapping_add(b)
    }

    #[inline(always)]
    fn wide_low(wide: u64) -> Self {
        Self(wide as u32)
    }

    #[inline(always)]
    fn wide_high(wide: u64) -> Self {
        Self((wide >> 32) as u32)
    }

    #[inline(always)]
    fn interleave(a: Self, b: Self) -> (Self, Self) {
        (a, b)
    }

    #[inline(always)]
    fn split(_: usize, a: Self, b: Self) -> (Self, Self) {
        (a, b)
    }

    #[inline(always)]
    fn join(_: usize, a: Self, b: Self) -> (Self, Self) {
        (a, b)
    }
}
