//! Random polynomials from seeds: uniform, ternary, and centred binomial errors. Owns the
//! expansion, which is part of the wire format; secret samples take constant time and memory
//! access that does not depend on their values.

use super::seed::Seed;
use crate::{
    key_stream::{KeyStream, Rounds, STEP, WORDS},
    lanes::{Kernel, Lanes},
    ring::{Coeff, Ntt, Poly, Ring},
    wiped::Wiped,
};

/// What a stream of random bytes is for; its first eight nonce bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stream {
    purpose: u32,
    index: u32,
}

impl Stream {
    /// The uniform half of a symmetric ciphertext.
    pub(crate) const CIPHERTEXT: Self = Self { purpose: 1, index: 0 };
    /// The uniform half of a public key.
    pub(crate) const PUBLIC_KEY: Self = Self { purpose: 2, index: 0 };
    /// The secret key.
    pub(crate) const SECRET: Self = Self { purpose: 4, index: 0 };
    /// The ephemeral secret of a public-key encryption.
    pub(crate) const EPHEMERAL: Self = Self { purpose: 5, index: 0 };

    /// The uniform half of one digit of a switching key.
    pub(crate) const fn digit(index: usize) -> Self {
        Self { purpose: 3, index: index as u32 }
    }

    /// One of the error polynomials that a seed gives.
    pub(crate) const fn error(index: usize) -> Self {
        Self { purpose: 6, index: index as u32 }
    }

    /// Eight for what everybody may expand.
    const fn rounds(self) -> Rounds {
        match self.purpose {
            1..=3 => Rounds::Eight,
            _ => Rounds::Twenty,
        }
    }

    /// ChaCha20 (RFC 8439) of secret seeds and ChaCha8 of public ones, whose stream hides nothing; nonce
    /// `purpose ‖ index ‖ prime`, each 32 bits little-endian, block counter from 0.
    fn keyed(self, ring: &Ring, seed: &Seed, prime: usize) -> KeyStream {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&self.purpose.to_le_bytes());
        nonce[4..8].copy_from_slice(&self.index.to_le_bytes());
        nonce[8..].copy_from_slice(&(prime as u32).to_le_bytes());
        KeyStream::new(ring.backend(), self.rounds(), seed.as_bytes(), &nonce)
    }
}

/// Expands a uniform polynomial over `main` main primes and then `special` special ones.
///
/// Each limb has a stream of its own, with the prime's index among all primes in the nonce. The
/// stream is read as 32-bit little-endian words w; a word below `q·⌊2^32/q⌋` gives the residue
/// `w mod q`, others are skipped.
pub(crate) fn uniform(ring: &Ring, seed: &Seed, stream: Stream, main: usize, special: usize) -> Poly<Ntt> {
    let mut poly = Poly::unwritten(ring.degree(), main + special);
    for (i, limb) in poly.iter_mut().enumerate() {
        let prime = ring.prime_of_limb(main, i);
        uniform_words(ring, seed, stream, prime, limb);
        ring.reduce_limb(prime, limb);
    }
    poly
}

/// One limb of [`uniform`], not reduced yet: what multiplies it reduces any words.
pub(crate) fn uniform_words(ring: &Ring, seed: &Seed, stream: Stream, prime: usize, limb: &mut [u32]) {
    let mut stream = stream.keyed(ring, seed, prime);
    let q = ring.moduli()[prime].value();
    // As 2^32 is no multiple of an odd prime, this is ⌊2^32/q⌋.
    let bound = q * (u32::MAX / q);
    let mut filled = 0;
    while filled < limb.len() {
        let space = &mut limb[filled..];
        // Whole steps first, so that few words are made for nothing.
        let whole = space.len() / STEP * STEP;
        let words = stream.next_words(if whole > 0 { whole } else { space.len() });
        filled += ring.backend().run(Accept { bound, words, space });
    }
}

/// Moves the words below `bound` to the front of `space`, as many as fit, and counts them. All this is public.
struct Accept<'a> {
    bound: u32,
    words: &'a [u32],
    space: &'a mut [u32],
}

/// How many words are moved together; the key stream's are a multiple of it.
const TOGETHER: usize = 16;

impl Kernel for Accept<'_> {
    type Output = usize;

    #[inline(always)]
    fn run<L: Lanes>(self) -> usize {
        let Self { bound, words, space } = self;
        let mut kept = 0;
        for words in words.as_chunks::<TOGETHER>().0 {
            let space = &mut space[kept..];
            if let Some(space) = space.first_chunk_mut::<TOGETHER>() {
                // Mostly all are accepted.
                if words.iter().fold(true, |all, &word| all & (word < bound)) {
                    *space = *words;
                    kept += TOGETHER;
                } else {
                    // A word that is not accepted is written over by the next one.
                    let mut at = 0;
                    for &word in words {
                        space[at] = word;
                        at += usize::from(word < bound);
                    }
                    kept += at;
                }
            } else {
                let accepted = words.iter().filter(|&&word| word < bound);
                for (slot, &word) in space.iter_mut().zip(accepted) {
                    *slot = word;
                    kept += 1;
                }
            }
        }
        kept
    }
}

/// Expands a polynomial with coefficients uniform in {−1, 0, 1}.
///
/// The stream is read as 32-bit little-endian words w; `w mod 3 − 1` is the coefficient. The word
/// 2^32 − 1 is skipped, which says nothing about the coefficients that are kept.
pub(crate) fn ternary(ring: &Ring, seed: &Seed, stream: Stream) -> Wiped<i8> {
    let mut coefficients = Wiped::zero(ring.degree());
    let mut stream = stream.keyed(ring, seed, 0);
    let mut filled = 0;
    while filled < ring.degree() {
        let space = &mut coefficients[filled..];
        let words = stream.next_words(space.len()).iter().filter(|&&word| word != u32::MAX);
        for (coefficient, &word) in space.iter_mut().zip(words) {
            // ⌊w/3⌋ by multiplication with ⌈2^33/3⌉, exact for 32-bit w.
            let third = ((u64::from(word) * 0xAAAA_AAAB) >> 33) as u32;
            *coefficient = (word - 3 * third) as i8 - 1;
            filled += 1;
        }
    }
    coefficients
}

/// Expands an error polynomial with the centred binomial distribution of parameter 21, σ = √10.5 ≈ 3.24.
///
/// The stream is read as blocks of 16 32-bit little-endian words. Three blocks a, b, c give two blocks of coefficients:
/// the number of ones in the low 21 bits of aᵢ minus that of bᵢ, then the number of those in the low 21 bits of cᵢ
/// minus that of the high 11 bits of aᵢ and the high 10 of bᵢ.
pub(crate) fn error(ring: &Ring, seed: &Seed, stream: Stream) -> Wiped<i8> {
    let mut coefficients = Wiped::zero(ring.degree());
    let mut stream = stream.keyed(ring, seed, 0);
    for coefficients in coefficients.chunks_mut(WORDS / THREE_BLOCKS * TWO_BLOCKS) {
        let words = stream.next_words(coefficients.len() / TWO_BLOCKS * THREE_BLOCKS);
        ring.backend().run(Errors { words, coefficients });
    }
    coefficients
}

const BLOCK: usize = 16;
const TWO_BLOCKS: usize = 2 * BLOCK;
const THREE_BLOCKS: usize = 3 * BLOCK;

/// Errors from blocks of words. Plain loops, which compilers turn into whatever vectors the backend has.
struct Errors<'a> {
    words: &'a [u32],
    coefficients: &'a mut [i8],
}

impl Kernel for Errors<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let words = self.words.as_chunks::<THREE_BLOCKS>().0;
        let coefficients = self.coefficients.as_chunks_mut::<TWO_BLOCKS>().0;
        for (coefficients, words) in coefficients.iter_mut().zip(words) {
            for i in 0..BLOCK {
                let [a, b, c] = [words[i], words[BLOCK + i], words[2 * BLOCK + i]];
                let left = a >> BINOMIAL_BITS | b >> (BINOMIAL_BITS + 1) << (u32::BITS - BINOMIAL_BITS);
                coefficients[i] = (ones(a & BINOMIAL) - ones(b & BINOMIAL)) as i8;
                coefficients[BLOCK + i] = (ones(c & BINOMIAL) - ones(left)) as i8;
            }
        }
    }
}

/// The parameter of the distribution, and as many ones.
const BINOMIAL_BITS: u32 = 21;
const BINOMIAL: u32 = (1 << BINOMIAL_BITS) - 1;

/// The number of ones, by the same instructions on every machine (some lack a population count and would look it up in
/// a table), and none that vectors lack.
///
/// Source: Warren, "Hacker's Delight", second edition, section 5-1.
#[inline(always)]
const fn ones(x: u32) -> i32 {
    let x = x - ((x >> 1) & 0x5555_5555);
    let x = (x & 0x3333_3333) + ((x >> 2) & 0x3333_3333);
    let x = (x + (x >> 4)) & 0x0F0F_0F0F;
    let x = x + (x >> 16);
    ((x + (x >> 8)) & 0xFF) as i32
}

/// Writes small signed integers as residues over `main` main primes and then `special` special ones.
pub(crate) fn to_residues(ring: &Ring, values: &[i8], main: usize, special: usize) -> Poly<Coeff> {
    let mut poly = Poly::unwritten(ring.degree(), main + special);
    for (i, limb) in poly.iter_mut().enumerate() {
        to_residues_limb(ring, values, ring.prime_of_limb(main, i), limb);
    }
    poly
}

/// One limb of [`to_residues`].
pub(crate) fn to_residues_limb(ring: &Ring, values: &[i8], prime: usize, limb: &mut [u32]) {
    ring.backend().run(SmallResidues { q: ring.moduli()[prime].value(), values, limb });
}

/// Writes sums of small signed integers and residues, as residues.
pub(crate) fn sum_limb(ring: &Ring, values: &[i8], prime: usize, residues: &[u32], limb: &mut [u32]) {
    ring.backend().run(SmallSums { q: ring.moduli()[prime].value(), values, residues, limb });
}

/// Adds q to a signed number below zero, by a mask: a comparison could become a branch.
#[inline(always)]
fn plus_if_negative(word: u32, q: u32) -> u32 {
    word.wrapping_add(q & (word.cast_signed() >> 31).cast_unsigned())
}

/// Residues of small signed integers; a plain loop as well.
struct SmallResidues<'a> {
    q: u32,
    values: &'a [i8],
    limb: &'a mut [u32],
}

impl Kernel for SmallResidues<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        for (residue, &value) in self.limb.iter_mut().zip(self.values) {
            *residue = plus_if_negative(i32::from(value) as u32, self.q);
        }
    }
}

/// Sums with small signed integers; a plain loop as well.
struct SmallSums<'a> {
    q: u32,
    values: &'a [i8],
    residues: &'a [u32],
    limb: &'a mut [u32],
}

impl Kernel for SmallSums<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { q, values, residues, limb } = self;
        for (sum, (&value, &residue)) in limb.iter_mut().zip(values.iter().zip(residues)) {
            let not_negative = plus_if_negative(residue.wrapping_add(i32::from(value) as u32), q);
            *sum = plus_if_negative(not_negative.wrapping_sub(q), q);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::Backend;

    fn ring() -> Ring {
        Ring::new(14, &[1_073_643_521, 268_369_921], &[1_072_496_641], Backend::detect())
    }

    #[test]
    fn ternary_is_uniform_over_three_values() {
        let ring = ring();
        let mut counts = [0u32; 3];
        for round in 0..16 {
            let values = ternary(&ring, &Seed::new([round; 32]), Stream::SECRET);
            values.iter().for_each(|&v| counts[(v + 1) as usize] += 1);
        }
        // Expected n/3 with standard deviation √(2n/9) ≈ 241 for n = 2^18; five of them.
        let n = 16.0 * 16384.0;
        assert!(counts.iter().all(|&c| (f64::from(c) - n / 3.0).abs() < 5.0 * 241.4), "{counts:?}");
    }

    #[test]
    fn error_has_mean_zero_variance_ten_and_a_half_and_binomial_tails() {
        let ring = ring();
        let values: Vec<i32> = (0..16)
            .flat_map(|i| error(&ring, &Seed::new([7; 32]), Stream::error(i)).to_vec())
            .map(i32::from)
            .collect();
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let variance = values.iter().map(|&v| f64::from(v * v)).sum::<f64>() / n;
        // Standard deviations: of the mean √(10.5/n) = 0.0063, of the variance about √(2/n)·10.5 = 0.029.
        assert!(mean.abs() < 0.032, "{mean}");
        assert!((variance - 10.5).abs() < 0.15, "{variance}");
        assert!(values.iter().all(|v| v.abs() <= 21));
        let zeros = values.iter().filter(|&&v| v == 0).count() as f64 / n;
        // P(0) = C(42, 21)/2^42.
        assert!((zeros - 0.12238).abs() < 0.0035, "{zeros}");
    }

    #[test]
    fn uniform_residues_fill_the_range_evenly_and_limbs_differ() {
        let ring = ring();
        let poly = uniform(&ring, &Seed::new([3; 32]), Stream::CIPHERTEXT, 2, 1);
        for i in 0..3 {
            let q = ring.modulus_of_limb(2, i).value();
            let mut buckets = [0u32; 16];
            for &r in poly.limb(i) {
                assert!(r < q);
                buckets[(u64::from(r) * 16 / u64::from(q)) as usize] += 1;
            }
            // Chi-squared with 15 degrees of freedom: 37.7 is the 0.1 % point.
            let chi: f64 = buckets.iter().map(|&b| (f64::from(b) - 1024.0).powi(2) / 1024.0).sum();
            assert!(chi < 37.7, "limb {i}: {chi}");
        }
        assert_ne!(poly.limb(0)[..8], poly.limb(2)[..8]);
        // A limb depends on its own prime only, so a shorter expansion is a part of a longer one.
        let shorter = uniform(&ring, &Seed::new([3; 32]), Stream::CIPHERTEXT, 1, 1);
        assert_eq!(shorter.limb(0), poly.limb(0));
        assert_eq!(shorter.limb(1), poly.limb(2));
    }

    #[test]
    fn errors_are_differences_of_ones_and_use_each_bit_once() {
        // The machine's count, of numbers with few bits, with many and with any.
        let mut state = 1u64;
        for extreme in [0, u32::MAX, 1, 1 << 20, 1 << 21, 1 << 31] {
            for _ in 0..1000 {
                let word = (state >> 32) as u32 ^ extreme;
                assert_eq!(ones(word), word.count_ones() as i32);
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            }
        }
        // What each bit of three blocks adds to which coefficient.
        for backend in Backend::available() {
            for (block, bit) in (0..3).flat_map(|block| (0..32).map(move |bit| (block, bit))) {
                let mut words = [0; THREE_BLOCKS];
                words[block * BLOCK + 5] = 1 << bit;
                let mut expected = [0; TWO_BLOCKS];
                match (block, bit) {
                    (0, ..=20) => expected[5] = 1,
                    (1, ..=20) => expected[5] = -1,
                    (2, ..=20) => expected[BLOCK + 5] = 1,
                    // Neither takes this one.
                    (1, 21) | (2, _) => {}
                    _ => expected[BLOCK + 5] = -1,
                }
                let mut found = [0; TWO_BLOCKS];
                backend.run(Errors { words: &words, coefficients: &mut found });
                assert_eq!(found, expected, "bit {bit} of block {block} on {}", backend.name());
            }
        }
    }
}
