//! Vectors of residues. Owns every use of vector instructions and all `unsafe` of the crate;
//! knows nothing of polynomials. A kernel is written once over [`Lanes`] and run by
//! [`Backend::run`] on the widest instance there is; the scalar instance is the twin that the
//! others must equal bit for bit.
#![allow(unsafe_code)]

#[cfg(all(target_arch = "x86_64", feature = "std"))]
mod avx2;
#[cfg(all(target_arch = "x86_64", feature = "std"))]
mod avx512;
mod doubles;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;

pub(crate) use doubles::Doubles;

/// The most lanes of any instance.
pub(crate) const MOST_LANES: usize = 16;

/// `WIDTH` residues side by side.
///
/// The methods of a vector instance execute instructions that the machine must have: only code
/// inside [`Kernel::run`], reached through [`Backend::run`], may call them.
pub(crate) trait Lanes: Copy {
    /// Number of residues.
    const WIDTH: usize;
    /// log₂ of the width: how many of a transform's layers lie inside one vector.
    const TAIL: usize;
    /// How many vectors a step of a transform works on side by side, so that enough of its butterflies are
    /// independent, and the registers hold them and their factors. 4, 8 or 16.
    const VECTORS_AT_ONCE: usize;
    /// Most layers of a transform that are done at a time. 2 or 3: their factors want registers, too.
    const LAYERS_AT_ONCE: usize;
    /// Whether the factors of a transform's layers inside vectors are stored once for each block and not once for each
    /// lane, which costs two shuffles for each pair and layer and saves half of the memory.
    const SPREADS_FACTORS: bool = false;
    /// Whether transforms modulo small primes compute with signed numbers and reduce them at the end alone: code of its
    /// own, for a tenth of their time.
    const SIGNED_TRANSFORMS: bool = false;
    /// `[u32; WIDTH]`.
    type Chunk: Copy + AsRef<[u32]> + AsMut<[u32]>;
    /// `WIDTH` sums of 64 bits, in an order of the instance's own.
    type Wide: Copy;
    /// `WIDTH` factors, ready for products of 64 bits.
    type Multiplier: Copy;
    /// Doubles in a vector of the same machine: half as many, or one.
    type Doubles: Doubles;

    fn chunks(slice: &[u32]) -> &[Self::Chunk];
    fn chunks_mut(slice: &mut [u32]) -> &mut [Self::Chunk];
    fn load(chunk: &Self::Chunk) -> Self;
    fn store(self, chunk: &mut Self::Chunk);
    /// The first `4·WIDTH` bytes, four of them an entry, the lowest first.
    ///
    /// # Panics
    /// When there are fewer.
    fn from_bytes(bytes: &[u8]) -> Self;
    /// Undoes [`Lanes::from_bytes`].
    ///
    /// # Panics
    /// When there is no room for all entries.
    fn to_bytes(self, bytes: &mut [u8]);
    fn splat(value: u32) -> Self;
    /// Asks for the numbers so many places after a chunk, which need not exist, to be brought to the nearest cache and,
    /// as they are used once, to none of the others.
    #[inline(always)]
    fn prefetch(_chunk: &Self::Chunk, _ahead: usize) {}
    /// As [`Lanes::prefetch`], for numbers that are used more than once.
    #[inline(always)]
    fn prefetch_to_keep(_chunk: &Self::Chunk, _ahead: usize) {}
    /// The entries as factors.
    fn multiplier(self) -> Self::Multiplier;
    /// The entries as factors of the layer behind [`Lanes::split`] of this stage.
    #[inline(always)]
    fn stage_multiplier(_stage: usize, factors: Self) -> Self::Multiplier {
        factors.multiplier()
    }
    /// The same factor for every entry.
    fn constant(value: u32) -> Self::Multiplier;
    /// As [`Lanes::constant`], for a factor that a loop makes anew in every turn.
    #[inline(always)]
    fn turn_constant(value: u32) -> Self::Multiplier {
        Self::constant(value)
    }
    /// Factors that a loop does not change, for all their uses in one turn of it.
    #[inline(always)]
    fn in_turn(factors: Self::Multiplier) -> Self::Multiplier {
        factors
    }
    /// Entry `indices[i] mod WIDTH` of this vector at each place i.
    fn shuffle(self, indices: Self) -> Self;

    fn add(self, rhs: Self) -> Self;
    fn sub(self, rhs: Self) -> Self;
    /// The smaller of each pair, as unsigned numbers.
    fn min(self, rhs: Self) -> Self;
    /// The low half of each product.
    fn mul_low(self, rhs: Self) -> Self;
    /// The whole products.
    fn product(a: Self::Multiplier, b: Self::Multiplier) -> Self::Wide;
    /// The whole products of signed numbers.
    fn product_signed(a: Self::Multiplier, b: Self::Multiplier) -> Self::Wide;
    fn shift_right(self, bits: u32) -> Self;
    /// Each entry by a number of its own; 0 where that is 32 or more.
    fn shift_left_each(self, bits: Self) -> Self;
    /// As [`Lanes::shift_left_each`], to the right.
    fn shift_right_each(self, bits: Self) -> Self;
    fn rotate_left(self, bits: u32) -> Self;
    fn xor(self, rhs: Self) -> Self;

    fn wide_add(a: Self::Wide, b: Self::Wide) -> Self::Wide;
    fn wide_low(wide: Self::Wide) -> Self;
    fn wide_high(wide: Self::Wide) -> Self;

    /// Keeps the compiler from going on with any of `VECTORS_AT_ONCE` vectors before all of them are computed. It would
    /// go on with one after the other, to need few registers, in chains longer than the processor can look ahead.
    #[inline(always)]
    fn fence(_vectors: &mut [Self]) {}

    /// `a₀ b₀ a₁ b₁ …`, in two vectors.
    fn interleave(a: Self, b: Self) -> (Self, Self);
    /// From vectors with one word of several blocks of 16 to vectors with several words of one block, block after block.
    ///
    /// Each step deals the vectors of both halves out in turns, which moves the highest bit of a word's place behind
    /// all others of its index; after four of them the number of its block is in front.
    #[inline(always)]
    fn transposed(mut vectors: [Self; 16]) -> [Self; 16] {
        for _ in 0..vectors.len().ilog2() {
            let before = vectors;
            for i in 0..before.len() / 2 {
                (vectors[2 * i], vectors[2 * i + 1]) =
                    Self::interleave(before[i], before[i + before.len() / 2]);
            }
        }
        vectors
    }

    /// Step `stage` of `0..TAIL` on the way to single entries: from pairs `WIDTH >> stage` apart
    /// to pairs `WIDTH >> (stage + 1)` apart, one of each pair in `a` and the other in `b`.
    fn split(stage: usize, a: Self, b: Self) -> (Self, Self);
    /// Undoes [`Lanes::split`].
    fn join(stage: usize, a: Self, b: Self) -> (Self, Self);

    /// Undoes every split: from the last one's order back to memory order.
    #[inline(always)]
    fn join_all(mut a: Self, mut b: Self) -> (Self, Self) {
        for stage in (0..Self::TAIL).rev() {
            (a, b) = Self::join(stage, a, b);
        }
        (a, b)
    }

    /// Does every split: from memory order to the last one's.
    #[inline(always)]
    fn split_all(mut a: Self, mut b: Self) -> (Self, Self) {
        for stage in 0..Self::TAIL {
            (a, b) = Self::split(stage, a, b);
        }
        (a, b)
    }

    /// The whole products.
    #[inline(always)]
    fn mul_wide(self, rhs: Self::Multiplier) -> Self::Wide {
        Self::product(self.multiplier(), rhs)
    }

    /// The high half of each product.
    #[inline(always)]
    fn mul_high(self, rhs: Self::Multiplier) -> Self {
        Self::wide_high(self.mul_wide(rhs))
    }

    /// The high half of each product of signed numbers.
    #[inline(always)]
    fn mul_high_signed(self, rhs: Self::Multiplier) -> Self {
        Self::wide_high(Self::product_signed(self.multiplier(), rhs))
    }

    /// `⌊(t·inverse mod 2^32)·q/2^32⌋`, which Montgomery's reduction subtracts from the high half of t.
    #[inline(always)]
    fn wide_correction(t: Self::Wide, inverse: Self::Multiplier, q: Self::Multiplier) -> Self {
        Self::wide_low(Self::wide_low(t).mul_wide(inverse)).mul_high(q)
    }

    /// How many of the `left` layers of a transform to do next, so that all are done in the fewest steps
    /// and few of them one at a time.
    #[inline(always)]
    fn layers_at_once(left: usize) -> usize {
        match left {
            4 => 2,
            _ => left.min(Self::LAYERS_AT_ONCE),
        }
    }

    /// How many layers to begin a transform of so many vectors with.
    #[inline(always)]
    fn first_layers(vectors: usize) -> usize {
        // Each part has as many vectors as a step works on.
        let most = (vectors / Self::VECTORS_AT_ONCE).ilog2() as usize;
        most.min(Self::LAYERS_AT_ONCE)
    }

    /// `x − bound` where `x ≥ bound`, else `x`.
    #[inline(always)]
    fn reduce_once(self, bound: Self) -> Self {
        self.min(self.sub(bound))
    }
}

/// As [`core::array::from_fn`], which compilers may leave as a call; what is in it is then compiled without the
/// instructions of a kernel, and vectors stay in memory.
#[inline(always)]
pub(crate) fn each<T: Copy, const COUNT: usize>(make: impl Fn(usize) -> T) -> [T; COUNT] {
    let mut out = [make(0); COUNT];
    let mut i = 1;
    while i < COUNT {
        out[i] = make(i);
        i += 1;
    }
    out
}

/// A computation over vectors of any width.
pub(crate) trait Kernel {
    type Output;
    fn run<L: Lanes>(self) -> Self::Output;
}

struct Width;

impl Kernel for Width {
    type Output = usize;

    fn run<L: Lanes>(self) -> usize {
        L::WIDTH
    }
}

/// The kind of vector instructions to compute with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Scalar,
    #[cfg(all(target_arch = "x86_64", feature = "std"))]
    Avx2,
    #[cfg(all(target_arch = "x86_64", feature = "std"))]
    Avx512,
    #[cfg(target_arch = "aarch64")]
    Neon,
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128,
}

impl Backend {
    /// One residue at a time; runs everywhere.
    pub const SCALAR: Self = Self(Kind::Scalar);

    /// The fastest instance that this machine can run.
    #[must_use]
    pub fn detect() -> Self {
        Self::available().last().unwrap_or(Self::SCALAR)
    }

    /// Every instance that this machine can run, from the narrowest, the scalar one, to the widest.
    pub fn available() -> impl Iterator<Item = Self> {
        let vectors = [
            #[cfg(all(target_arch = "x86_64", feature = "std"))]
            (Kind::Avx2, std::arch::is_x86_feature_detected!("avx2")),
            #[cfg(all(target_arch = "x86_64", feature = "std"))]
            (Kind::Avx512, std::arch::is_x86_feature_detected!("avx512f")),
            #[cfg(target_arch = "aarch64")]
            (Kind::Neon, true),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            (Kind::Simd128, true),
        ];
        let found = vectors.into_iter().filter(|&(_, runs)| runs).map(|(kind, _)| Self(kind));
        core::iter::once(Self::SCALAR).chain(found)
    }

    /// This instance, or the scalar one where the vectors are fewer than `least`.
    pub(crate) fn with_vectors(self, least: usize, entries: usize) -> Self {
        if entries >= least * self.run(Width) { self } else { Self::SCALAR }
    }

    /// A short name for reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            Kind::Scalar => "scalar",
            #[cfg(all(target_arch = "x86_64", feature = "std"))]
            Kind::Avx2 => "avx2",
            #[cfg(all(target_arch = "x86_64", feature = "std"))]
            Kind::Avx512 => "avx512",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => "neon",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Kind::Simd128 => "simd128",
        }
    }

    /// Runs a kernel on this instance.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Kind::Scalar => kernel.run::<scalar::Scalar>(),
            #[cfg(all(target_arch = "x86_64", feature = "std"))]
            // SAFETY: the variant is made by `available` alone, after it found the instructions.
            Kind::Avx2 => unsafe { avx2::run(kernel) },
            #[cfg(all(target_arch = "x86_64", feature = "std"))]
            // SAFETY: as above.
            Kind::Avx512 => unsafe { avx512::run(kernel) },
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => kernel.run::<neon::Neon>(),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Kind::Simd128 => kernel.run::<simd128::Simd128>(),
        }
    }
}
