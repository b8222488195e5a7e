//! Polynomials modulo `X^N + 1` and several primes. Owns transforms, conversions and
//! automorphisms; knows no keys, levels or scales.

mod field;
mod poly;

mod automorphism;
mod basis;
mod ntt;
mod pointwise;

use alloc::vec::Vec;

use zeroize::Zeroizing;

pub(crate) use basis::{BaseConverter, MAX_SOURCES};
pub(crate) use pointwise::{Binary, MAX_PRODUCTS};
pub use poly::{Coeff, Ntt, Poly};

use crate::{
    arithmetic::{Modulus, ShoupFactor},
    lanes::Backend,
};
use ntt::NttTable;

/// The ring of one parameter set: its degree, its primes (main ones first, then special ones), and
/// the tables of their transforms.
pub(crate) struct Ring {
    log_degree: u8,
    backend: Backend,
    main: usize,
    moduli: Vec<Modulus>,
    tables: Vec<NttTable>,
}

impl Ring {
    pub(crate) fn new(log_degree: u8, main: &[u32], special: &[u32], backend: Backend) -> Self {
        let moduli: Vec<Modulus> = main.iter().chain(special).map(|&q| Modulus::new(q)).collect();
        let tables = moduli.iter().map(|&m| NttTable::new(m, log_degree, backend)).collect();
        Self { log_degree, backend, main: main.len(), moduli, tables }
    }

    pub(crate) fn degree(&self) -> usize {
        1 << self.log_degree
    }

    pub(crate) fn backend(&self) -> Backend {
        self.backend
    }

    /// All primes: main ones, then special ones.
    pub(crate) fn moduli(&self) -> &[Modulus] {
        &self.moduli
    }

    pub(crate) fn special(&self) -> &[Modulus] {
        &self.moduli[self.main..]
    }

    /// The index among all primes of each limb of a polynomial over `main` main primes, followed
    /// by the special ones if it has more limbs.
    pub(crate) fn prime_of_limb(&self, main: usize, limb: usize) -> usize {
        if limb < main { limb } else { self.main + limb - main }
    }

    /// The modulus of a limb; see [`Ring::prime_of_limb`].
    pub(crate) fn modulus_of_limb(&self, main: usize, limb: usize) -> Modulus {
        self.moduli[self.prime_of_limb(main, limb)]
    }

    /// Transforms one limb of a polynomial in place.
    pub(crate) fn forward_limb(&self, prime: usize, limb: &mut [u32]) {
        self.tables[prime].forward(limb);
    }

    /// Undoes [`Ring::forward_limb`].
    pub(crate) fn inverse_limb(&self, prime: usize, limb: &mut [u32]) {
        self.tables[prime].inverse(limb);
    }

    /// Transforms a polynomial over `main` main primes, and the special ones if it has more limbs.
    pub(crate) fn forward(&self, main: usize, mut poly: Poly<Coeff>) -> Poly<Ntt> {
        for (i, limb) in poly.iter_mut().enumerate() {
            self.tables[self.prime_of_limb(main, i)].forward(limb);
        }
        poly.into_domain()
    }

    /// Undoes [`Ring::forward`].
    pub(crate) fn inverse(&self, main: usize, mut poly: Poly<Ntt>) -> Poly<Coeff> {
        for (i, limb) in poly.iter_mut().enumerate() {
            self.tables[self.prime_of_limb(main, i)].inverse(limb);
        }
        poly.into_domain()
    }

    /// Combines two polynomials of equal shape entry by entry, in place.
    pub(crate) fn combine<D>(&self, main: usize, operation: Binary, a: &mut Poly<D>, b: &Poly<D>) {
        debug_assert_eq!(a.limbs(), b.limbs());
        for (i, (x, y)) in a.iter_mut().zip(b.iter()).enumerate() {
            pointwise::combine(self.backend, self.modulus_of_limb(main, i), operation, x, y);
        }
    }

    /// Combines two limbs of one prime, in place.
    pub(crate) fn combine_limb(&self, prime: usize, operation: Binary, a: &mut [u32], b: &[u32]) {
        pointwise::combine(self.backend, self.moduli[prime], operation, a, b);
    }

    /// Adds a public integer to every entry of a polynomial over main primes, in place.
    pub(crate) fn add_integer(&self, poly: &mut Poly<Ntt>, integer: i64) {
        for (limb, &modulus) in poly.iter_mut().zip(&self.moduli) {
            let residue = modulus.reduce_signed_public(integer);
            limb.iter_mut().for_each(|entry| *entry = modulus.add(*entry, residue));
        }
    }

    /// The tensor product of two ciphertexts over main primes; see [`pointwise::tensor`].
    pub(crate) fn tensor(&self, a: [&Poly<Ntt>; 2], b: [&Poly<Ntt>; 2]) -> [Poly<Ntt>; 3] {
        let limbs = a[0].limbs();
        let mut d = [(); 3].map(|()| Poly::zero(self.degree(), limbs));
        for i in 0..limbs {
            let out = d.each_mut().map(|poly| poly.limb_mut(i));
            pointwise::tensor(self.backend, self.moduli[i], a.map(|p| p.limb(i)), b.map(|p| p.limb(i)), out);
        }
        d
    }

    /// Multiplies each limb by its own constant, in place.
    pub(crate) fn scale_limbs<D>(
        &self,
        main: usize,
        poly: &mut Poly<D>,
        factor: impl Fn(Modulus) -> ShoupFactor,
    ) {
        for (i, limb) in poly.iter_mut().enumerate() {
            let modulus = self.modulus_of_limb(main, i);
            pointwise::scale(self.backend, modulus, factor(modulus), limb);
        }
    }

    /// Replaces a limb by `(limb − other)·w`.
    pub(crate) fn subtract_and_scale(&self, prime: usize, w: ShoupFactor, limb: &mut [u32], other: &[u32]) {
        pointwise::subtract_and_scale(self.backend, self.moduli[prime], w, limb, other);
    }

    /// Brings a polynomial into Montgomery form, in place.
    pub(crate) fn to_montgomery(&self, main: usize, poly: &mut Poly<Ntt>) {
        for (i, limb) in poly.iter_mut().enumerate() {
            pointwise::to_montgomery(self.backend, self.modulus_of_limb(main, i), limb);
        }
    }

    /// `limb·other` in place, both in ordinary form.
    pub(crate) fn multiply_limb(&self, prime: usize, limb: &mut [u32], other: &[u32]) {
        let modulus = self.moduli[prime];
        pointwise::to_montgomery(self.backend, modulus, limb);
        pointwise::combine(self.backend, modulus, Binary::MultiplyMontgomery, limb, other);
    }

    /// `limb += w·other` in place.
    pub(crate) fn add_scaled_limb(&self, prime: usize, w: ShoupFactor, limb: &mut [u32], other: &[u32]) {
        pointwise::add_scaled(self.backend, self.moduli[prime], w, limb, other);
    }

    /// `Σ left·right` for one limb and two right-hand sides; see [`pointwise::inner_products`].
    pub(crate) fn inner_products(
        &self,
        prime: usize,
        left: &[&[u32]],
        right: [&[&[u32]]; 2],
        out: [&mut [u32]; 2],
    ) {
        pointwise::inner_products(self.backend, self.moduli[prime], left, right, out);
    }

    /// The residues over `main` main primes, and the special ones if there are more `limbs`, of signed
    /// integers, given with 2^62 added to each.
    pub(crate) fn offset_words_to_poly(&self, words: &[u64], main: usize, limbs: usize) -> Poly<Coeff> {
        let low: Zeroizing<Vec<u32>> = Zeroizing::new(words.iter().map(|&w| w as u32).collect());
        let high: Zeroizing<Vec<u32>> = Zeroizing::new(words.iter().map(|&w| (w >> 32) as u32).collect());
        let mut poly = Poly::zero(self.degree(), limbs);
        for (i, limb) in poly.iter_mut().enumerate() {
            pointwise::reduce_offset(self.backend, self.modulus_of_limb(main, i), &low, &high, limb);
        }
        poly
    }

    /// The permutation that applies `X → X^g` to transforms.
    pub(crate) fn ntt_permutation(&self, element: u32) -> Vec<u32> {
        automorphism::ntt_permutation(self.log_degree, element)
    }

    /// Applies a permutation of [`Ring::ntt_permutation`].
    pub(crate) fn permute(&self, permutation: &[u32], poly: &Poly<Ntt>) -> Poly<Ntt> {
        let mut out = Poly::zero(self.degree(), poly.limbs());
        for (input, output) in poly.iter().zip(out.iter_mut()) {
            automorphism::permute(self.backend, permutation, input, output);
        }
        out
    }

    /// Applies `X → X^g` to coefficients.
    pub(crate) fn automorphism(&self, main: usize, element: u32, poly: &Poly<Coeff>) -> Poly<Coeff> {
        let mut out = Poly::zero(self.degree(), poly.limbs());
        for (i, (input, output)) in poly.iter().zip(out.iter_mut()).enumerate() {
            automorphism::apply_to_coefficients(self.modulus_of_limb(main, i), element, input, output);
        }
        out
    }
}
