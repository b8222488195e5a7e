//! The innermost loops, for who measures them, each on one limb at the sizes of a parameter set. Owns only what they
//! read and write; not part of the interface.

use alloc::{vec, vec::Vec};
use core::hint::black_box;

use super::{
    embedding::{Embedding, Slots},
    encoding::Encoder,
    galois::GaloisElement,
    params::Params,
    sampling::{self, Stream},
    seed::Seed,
};
use crate::{
    key_stream::{KeyStream, Rounds},
    ring::{
        BaseConverter, Coeff, Interleaved, MAX_PRODUCTS, MAX_SOURCES, MixedRadix, Poly, Quotient, Residues,
    },
};

/// Limbs modulo the largest prime of a parameter set, and what else its kernels work on.
pub struct Kernels {
    pub(crate) params: Params,
    /// The index of the prime.
    prime: usize,
    pub(crate) limb: Vec<u32>,
    pub(crate) back: Vec<u32>,
    other: Vec<u32>,
    pub(crate) packed: Vec<u8>,
    /// As many limbs as a polynomial has digits at the highest level, or a digit primes.
    limbs: Vec<Vec<u32>>,
    digits: usize,
    /// The rows of a key, two for each digit.
    key: Interleaved,
    /// From the primes of one digit to two others.
    converter: BaseConverter,
    sources: Interleaved,
    permutation: Vec<u32>,
    streams: [KeyStream; 2],
    embedding: Embedding,
    values: Vec<f64>,
    radix: MixedRadix,
    poly: Poly<Coeff>,
}

impl Kernels {
    /// What the kernels of a parameter set work on.
    #[must_use]
    pub fn new(params: &Params) -> Self {
        let ring = params.ring();
        let (degree, top) = (params.degree(), params.max_level());
        let moduli = ring.moduli();
        let prime = (0..moduli.len()).max_by_key(|&i| moduli[i].value()).unwrap_or_default();
        let limb: Vec<u32> = (0..degree as u32).collect();
        let digits = params.digits_at(top);
        let mut key = Interleaved::unwritten(2 * digits, degree);
        (0..2 * digits).for_each(|row| ring.write_montgomery_row(prime, &limb, row, &mut key));
        let first = params.digit_limbs(top, 0);
        let converter =
            BaseConverter::new(&moduli[first.clone()], moduli[moduli.len() - 2..].iter().copied());
        let mut sources = converter.unwritten_sources(degree);
        converter.lay(ring.backend(), &vec![&limb[..]; first.len()], &mut sources);
        let main = Encoder::new(params).limbs_of_values(params.scale_at(top)).min(params.limbs_at(top));
        let residues = (0..main).flat_map(|_| limb.iter().copied()).collect::<Vec<_>>();
        Self {
            permutation: ring.ntt_permutation(GaloisElement::rotation(params, 1).value()),
            streams: [Rounds::Eight, Rounds::Twenty]
                .map(|rounds| KeyStream::new(ring.backend(), rounds, &[7; 32], &[0; 12])),
            embedding: Embedding::new(ring.backend(), params.slots()),
            values: (0..degree).map(|i| (i % 1000) as f64).collect(),
            radix: MixedRadix::new(&moduli[..main]),
            poly: Poly::from_residues(degree, Residues::copy_of(&residues)),
            params: params.clone(),
            prime,
            back: limb.clone(),
            other: limb.clone(),
            packed: vec![0; degree / 8 * moduli[prime].bits() as usize],
            limbs: vec![limb.clone(); digits.max(first.len())],
            limb,
            digits,
            key,
            converter,
            sources,
        }
    }

    /// The bits of a residue.
    #[must_use]
    pub fn bits(&self) -> u32 {
        self.params.ring().moduli()[self.prime].bits()
    }

    /// Transforms the limb.
    pub fn forward(&mut self) {
        let ring = self.params.ring();
        ring.forward_limb(self.prime, &mut self.limb);
    }

    /// Transforms the limb back.
    pub fn inverse(&mut self) {
        let ring = self.params.ring();
        ring.inverse_limb_scaled(self.prime, ring.moduli()[self.prime].shoup(1), &self.limb, &mut self.back);
    }

    /// The limb.
    #[must_use]
    pub fn limb(&self) -> &[u32] {
        &self.limb
    }

    /// What the limb was transformed back to.
    #[must_use]
    pub fn back(&self) -> &[u32] {
        &self.back
    }

    /// How many digits an inner product has, and how many primes a conversion starts from.
    #[must_use]
    pub fn terms(&self) -> [usize; 2] {
        [self.digits, self.params.digit_limbs(self.params.max_level(), 0).len()]
    }

    /// Inner products of one limb of all digits with both halves of a key.
    pub fn inner_products(&mut self) {
        let ring = self.params.ring();
        let mut digits = [&[][..]; MAX_PRODUCTS];
        digits.iter_mut().zip(&self.limbs).for_each(|(slot, limb)| *slot = limb);
        let out = [&mut self.back[..], &mut self.other[..]];
        ring.inner_products_with_key(self.prime, &digits[..self.digits], &self.key, None, out);
    }

    /// Lays the limbs of a digit side by side, less their quotients.
    pub fn lay(&mut self) {
        let mut limbs = [&[][..]; MAX_SOURCES];
        limbs.iter_mut().zip(&self.limbs).for_each(|(slot, limb)| *slot = limb);
        let count = self.terms()[1];
        self.converter.lay(self.params.ring().backend(), &limbs[..count], &mut self.sources);
    }

    /// Converts a digit to two primes.
    pub fn convert_two(&mut self) {
        let out = [&mut self.back[..], &mut self.other[..]];
        self.converter.convert_two(self.params.ring().backend(), [0, 1], &self.sources, out);
    }

    /// Permutes as an automorphism does.
    pub fn permute(&mut self) {
        self.params.ring().permute_limb(&self.permutation, &self.limb, &mut self.back);
    }

    /// The last step of a division.
    pub fn divide(&mut self) {
        let ring = self.params.ring();
        let (w, summand) = (ring.moduli()[self.prime].shoup(3), Some(&self.limbs[0][..]));
        let quotient = Quotient { w, values: &self.limb, remainders: &self.other, summand };
        ring.write_quotient(self.prime, quotient, &mut self.back);
    }

    /// As many words of a key stream of eight rounds as a limb has residues.
    pub fn key_stream_of_eight(&mut self) {
        self.key_stream(0);
    }

    /// The same of twenty rounds.
    pub fn key_stream_of_twenty(&mut self) {
        self.key_stream(1);
    }

    fn key_stream(&mut self, number: usize) {
        let mut left = self.limb.len();
        while left > 0 {
            left = left.saturating_sub(black_box(self.streams[number].next_words(left)).len());
        }
    }

    /// A uniform limb: a key stream, and the words of it that are accepted.
    pub fn uniform(&mut self) {
        let ring = self.params.ring();
        let seed = Seed::new([5; 32]);
        sampling::uniform_words(ring, &seed, Stream::CIPHERTEXT, self.prime, &mut self.back);
    }

    /// An error polynomial: three words of a key stream for two coefficients, and their ones counted.
    pub fn errors(&mut self) {
        black_box(sampling::error(self.params.ring(), &Seed::new([6; 32]), Stream::error(0)));
    }

    /// From slots to rounded coefficients, memory of both included.
    pub fn from_slots(&mut self) {
        let mut slots = Slots::zero(self.params.slots());
        slots.re.copy_from_slice(&self.values[..self.params.slots()]);
        black_box(self.embedding.to_integers(slots, 1e6));
    }

    /// From coefficients to slots, memory of these included.
    pub fn to_slots(&mut self) {
        black_box(self.embedding.to_slots(&self.values));
    }

    /// From residues modulo as many primes as values of the highest level's scale need to doubles.
    pub fn to_doubles(&mut self) {
        black_box(self.radix.to_doubles(self.params.ring().backend(), &self.poly, self.poly.limbs(), 1.0));
    }
}
