//! Polynomials modulo `X^N + 1` and several primes. Owns transforms, conversions and
//! automorphisms; knows no keys, levels or scales.

mod field;
mod scratch;

mod interleaved;
mod pieces;
mod pointwise;
mod poly;

mod inner_product;

mod automorphism;
mod basis;
mod mixed_radix;
mod ntt;

use alloc::vec::Vec;

pub(crate) use basis::{BaseConverter, MAX_SOURCES};
pub(crate) use inner_product::{MAX_PRODUCTS, Summand};
pub(crate) use interleaved::Interleaved;
pub(crate) use mixed_radix::MixedRadix;
pub(crate) use pieces::{Cost, for_each};
pub(crate) use pointwise::{Binary, Quotient, Sum};
pub use poly::{Coeff, Ntt, Poly};
pub use scratch::reusing_memory;
pub(crate) use scratch::{Residues, leaving, reusing};

use crate::{
    arithmetic::{Modulus, ShoupFactor},
    lanes::Backend,
    team::Team,
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

    /// Transforms one limb of a polynomial, of numbers below four times its prime, in place.
    pub(crate) fn forward_limb(&self, prime: usize, limb: &mut [u32]) {
        self.tables[prime].forward(limb);
    }

    /// The first layers of [`Ring::forward_limb`].
    pub(crate) fn begin_forward(&self, prime: usize, limb: &mut [u32]) {
        self.tables[prime].begin(limb);
    }

    /// The layers that are left after [`Ring::begin_forward`]: those that read many factors.
    pub(crate) fn finish_forward(&self, prime: usize, limb: &mut [u32]) {
        self.tables[prime].finish(limb);
    }

    /// Undoes [`Ring::forward_limb`].
    pub(crate) fn inverse_limb(&self, prime: usize, limb: &mut [u32]) {
        self.tables[prime].inverse(limb);
    }

    /// Undoes [`Ring::forward_limb`] and multiplies by a constant.
    pub(crate) fn inverse_limb_scaled(&self, prime: usize, w: ShoupFactor, from: &[u32], limb: &mut [u32]) {
        self.tables[prime].inverse_scaled(w, from, limb);
    }

    /// Transforms a polynomial over `main` main primes, and the special ones if it has more limbs.
    pub(crate) fn forward(&self, main: usize, mut poly: Poly<Coeff>) -> Poly<Ntt> {
        for (i, limb) in poly.iter_mut().enumerate() {
            self.tables[self.prime_of_limb(main, i)].forward(limb);
        }
        poly.into_domain()
    }

    /// As [`Ring::forward`], to Montgomery form.
    pub(crate) fn forward_prepared(&self, main: usize, poly: Poly<Coeff>) -> Poly<Ntt> {
        let mut poly = self.forward(main, poly);
        self.to_montgomery(main, &mut poly);
        poly
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
    pub(crate) fn tensor(&self, team: &dyn Team, a: [&Poly<Ntt>; 2], b: [&Poly<Ntt>; 2]) -> [Poly<Ntt>; 3] {
        let limbs = a[0].limbs();
        let mut d = [(); 3].map(|()| Poly::unwritten(self.degree(), limbs));
        let [d0, d1, d2] = d.each_mut().map(Poly::iter_mut);
        let out = d0.zip(d1).zip(d2).enumerate();
        for_each(team, Cost::passes(7 * limbs, self.degree()), out, |(i, ((d0, d1), d2))| {
            let [a, b] = [a, b].map(|halves| halves.map(|poly| poly.limb(i)));
            pointwise::tensor(self.backend, self.moduli[i], a, b, [d0, d1, d2]);
        });
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

    /// Writes a limb of what is left of a division; see [`Quotient`].
    pub(crate) fn write_quotient(&self, prime: usize, quotient: Quotient<'_>, out: &mut [u32]) {
        pointwise::quotient(self.backend, self.moduli[prime], quotient, out);
    }

    /// Brings a polynomial into Montgomery form, in place.
    pub(crate) fn to_montgomery(&self, main: usize, poly: &mut Poly<Ntt>) {
        for (i, limb) in poly.iter_mut().enumerate() {
            pointwise::to_montgomery(self.backend, self.modulus_of_limb(main, i), limb);
        }
    }

    /// Writes a limb, or any 32-bit words, in Montgomery form as a row of a key.
    pub(crate) fn write_montgomery_row(&self, prime: usize, limb: &[u32], row: usize, out: &mut Interleaved) {
        pointwise::write_montgomery_row(self.backend, self.moduli[prime], limb, row, out);
    }

    /// Multiplies a limb, or any 32-bit words, by a limb in Montgomery form and adds another or subtracts from it, in
    /// place.
    pub(crate) fn multiply_limb(
        &self,
        prime: usize,
        limb: &mut [u32],
        factor: &[u32],
        sum: Sum,
        other: &[u32],
    ) {
        pointwise::multiply(self.backend, self.moduli[prime], limb, factor, sum, other);
    }

    /// Writes a limb's product with a limb in Montgomery form, and another one added to it.
    pub(crate) fn write_product(&self, prime: usize, factors: [&[u32]; 2], summand: &[u32], out: &mut [u32]) {
        pointwise::write_product(self.backend, self.moduli[prime], factors, summand, out);
    }

    /// Reduces any 32-bit numbers, in place.
    pub(crate) fn reduce_limb(&self, prime: usize, numbers: &mut [u32]) {
        let modulus = self.moduli[prime];
        pointwise::scale(self.backend, modulus, modulus.shoup(1), numbers);
    }

    /// `limb += w·other` in place.
    pub(crate) fn add_scaled_limb(&self, prime: usize, w: ShoupFactor, limb: &mut [u32], other: &[u32]) {
        pointwise::add_scaled(self.backend, self.moduli[prime], w, limb, other);
    }

    /// `limb += X^(N/2)·other` in place: i times the other in every slot.
    ///
    /// X^(N/2) is a root of −1 at half of the points, those that come first, and its negative at the others.
    pub(crate) fn add_times_imaginary_unit(&self, prime: usize, limb: &mut [u32], other: &[u32]) {
        let (modulus, unit) = (self.moduli[prime], self.tables[prime].imaginary_unit());
        let (first, second) = limb.split_at_mut(self.degree() / 2);
        let (other_first, other_second) = other.split_at(self.degree() / 2);
        let negative = modulus.shoup(modulus.sub(0, unit.value));
        self.add_scaled_limb(prime, unit, first, other_first);
        self.add_scaled_limb(prime, negative, second, other_second);
    }

    /// `Σ left·right` for one limb and two right-hand sides; see [`inner_product::inner_products`].
    pub(crate) fn inner_products(
        &self,
        prime: usize,
        left: &[&[u32]],
        right: [&[&[u32]]; 2],
        out: [&mut [u32]; 2],
    ) {
        inner_product::inner_products(self.backend, self.moduli[prime], left, right, out);
    }

    /// The same with limbs of a key, and something added; see [`inner_product::interleaved`].
    pub(crate) fn inner_products_with_key(
        &self,
        prime: usize,
        left: &[&[u32]],
        right: &Interleaved,
        summand: Option<Summand<'_>>,
        out: [&mut [u32]; 2],
    ) {
        inner_product::interleaved(self.backend, self.moduli[prime], left, right, summand, out);
    }

    /// The residues over `main` main primes, and the special ones if there are more `limbs`, of signed
    /// integers, given with 2^62 added to each and in halves.
    pub(crate) fn offset_integers_to_poly(
        &self,
        low: &[u32],
        high: &[u32],
        main: usize,
        limbs: usize,
    ) -> Poly<Coeff> {
        let mut poly = Poly::unwritten(self.degree(), limbs);
        for (i, limb) in poly.iter_mut().enumerate() {
            pointwise::reduce_offset(self.backend, self.modulus_of_limb(main, i), low, high, limb);
        }
        poly
    }

    /// The permutation that applies `X → X^g` to transforms.
    pub(crate) fn ntt_permutation(&self, element: u32) -> Vec<u32> {
        automorphism::ntt_permutation(self.log_degree, element)
    }

    /// Applies a permutation of [`Ring::ntt_permutation`] to one limb.
    pub(crate) fn permute_limb(&self, permutation: &[u32], input: &[u32], output: &mut [u32]) {
        automorphism::permute(self.backend, permutation, input, output);
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
