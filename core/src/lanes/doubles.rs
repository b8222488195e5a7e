//! Vectors of doubles: sums, products and quotients, each rounded by itself, so that every instance
//! gives the same bits. Knows nothing of what they mean.

#[cfg(all(target_arch = "x86_64", feature = "std"))]
mod avx2;
#[cfg(all(target_arch = "x86_64", feature = "std"))]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;

#[cfg(all(target_arch = "x86_64", feature = "std"))]
pub(super) use avx2::Avx2;
#[cfg(all(target_arch = "x86_64", feature = "std"))]
pub(super) use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub(super) use neon::Neon;
pub(super) use scalar::Scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(super) use simd128::Simd128;

/// `WIDTH` doubles side by side, beside [`Lanes`](super::Lanes) of the same machine and with the same
/// condition for calling its methods.
///
/// Their bits also serve as integers of 64 bits, modulo 2^64.
pub(crate) trait Doubles: Copy {
    /// Number of doubles: 8, 4, 2 or 1.
    const WIDTH: usize;
    /// `[f64; WIDTH]`.
    type Chunk: Copy;
    /// `[u32; WIDTH]`.
    type Words: Copy;

    fn chunks(slice: &[f64]) -> &[Self::Chunk];
    fn chunks_mut(slice: &mut [f64]) -> &mut [Self::Chunk];
    fn words(slice: &[u32]) -> &[Self::Words];
    fn words_mut(slice: &mut [u32]) -> &mut [Self::Words];
    fn load(chunk: &Self::Chunk) -> Self;
    fn store(self, chunk: &mut Self::Chunk);
    fn splat(value: f64) -> Self;

    fn add(self, rhs: Self) -> Self;
    fn sub(self, rhs: Self) -> Self;
    fn mul(self, rhs: Self) -> Self;
    fn div(self, rhs: Self) -> Self;
    /// All bits where `self < rhs`, else none.
    fn less(self, rhs: Self) -> Self;

    /// Integers, in two's complement.
    fn from_signed(words: &Self::Words) -> Self;
    fn and(self, rhs: Self) -> Self;
    fn add_bits(self, rhs: Self) -> Self;
    /// From each low half to the high half, zeros behind it.
    fn low_to_high(self) -> Self;
    /// Writes the low and the high halves.
    fn store_halves(self, low: &mut Self::Words, high: &mut Self::Words);
    /// Whether every bit is one.
    fn all_ones(self) -> bool;

    /// `a₀ b₀ a₁ b₁ …`, in two vectors.
    fn interleave(a: Self, b: Self) -> (Self, Self);
}
