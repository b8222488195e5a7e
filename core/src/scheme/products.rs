//! Sums of products of ciphertexts with plaintexts: the inner loop of linear transforms, cut into blocks that stay
//! in the cache.

use alloc::vec::Vec;

use super::evaluator::Evaluator;
use crate::ring::{Binary, Cost, MAX_PRODUCTS, Ntt, Poly, for_each};

/// One of several sums: for each term the number of a ciphertext and what it is multiplied with.
type SumOfProducts<'a> = Vec<(usize, &'a Poly<Ntt>)>;

/// How many entries of a limb are worked on at a time, so that those of all ciphertexts stay in the cache.
const BLOCK: usize = 1024;

impl Evaluator {
    /// `Σ plain·[c₀, c₁]` for several sums over the same ciphertexts, over `main` main primes and, if the
    /// polynomials have more limbs, the special ones.
    ///
    /// Every ciphertext and every factor is read from memory once.
    pub(super) fn sums_of_products(
        &self,
        main: usize,
        ciphertexts: &[[&Poly<Ntt>; 2]],
        sums: &[SumOfProducts<'_>],
    ) -> Vec<[Poly<Ntt>; 2]> {
        let (ring, degree) = (self.params.ring(), self.params.degree());
        let limbs = ciphertexts.first().map_or(0, |[c0, _]| c0.limbs());
        let unwritten = |_: &_| [(); 2].map(|()| Poly::unwritten(degree, limbs));
        let mut out: Vec<[Poly<Ntt>; 2]> = sums.iter().map(unwritten).collect();
        // A quarter of a limb, or as little as is worked on at a time.
        let length = (degree / 4).max(BLOCK).min(degree);
        let mut outs: Vec<_> = out
            .iter_mut()
            .map(|halves| halves.each_mut().map(|half| half.residues_mut().chunks_exact_mut(length)))
            .collect();
        let pieces = (0..limbs * degree / length).map(|n| {
            let next = outs.iter_mut().filter_map(|[c0, c1]| Some([c0.next()?, c1.next()?]));
            (n * length, next.collect::<Vec<_>>())
        });
        let terms: usize = sums.iter().map(Vec::len).sum();
        let cost = Cost::passes(3 * terms * limbs, degree);
        for_each(&*self.team, cost, pieces, |(start, mut out)| {
            let prime = ring.prime_of_limb(main, start / degree);
            let mut partial = None;
            for offset in (0..length).step_by(BLOCK) {
                let block = offset..(offset + BLOCK).min(length);
                for (terms, out) in sums.iter().zip(&mut out) {
                    let out = out.each_mut().map(|half| &mut half[block.clone()]);
                    self.sum_of_products(prime, start + offset, ciphertexts, terms, out, &mut partial);
                }
            }
        });
        out
    }

    /// One block, from `start` on among all residues, of one of [`Self::sums_of_products`]; `partial` is space for a sum
    /// of more than [`MAX_PRODUCTS`] terms.
    fn sum_of_products(
        &self,
        prime: usize,
        start: usize,
        ciphertexts: &[[&Poly<Ntt>; 2]],
        terms: &[(usize, &Poly<Ntt>)],
        [c0, c1]: [&mut [u32]; 2],
        partial: &mut Option<[[u32; BLOCK]; 2]>,
    ) {
        let ring = self.params.ring();
        let block = start..start + c0.len();
        for (n, terms) in terms.chunks(MAX_PRODUCTS).enumerate() {
            let mut left = [&[][..]; MAX_PRODUCTS];
            let (mut right0, mut right1) = (left, left);
            for (k, &(number, plain)) in terms.iter().enumerate() {
                let [x0, x1] = ciphertexts[number].map(Poly::residues);
                left[k] = &plain.residues()[block.clone()];
                (right0[k], right1[k]) = (&x0[block.clone()], &x1[block.clone()]);
            }
            let count = terms.len();
            let (left, right) = (&left[..count], [&right0[..count], &right1[..count]]);
            if n == 0 {
                ring.inner_products(prime, left, right, [&mut *c0, &mut *c1]);
            } else {
                let partial = partial.get_or_insert([[0; BLOCK]; 2]);
                let [p0, p1] = partial.each_mut().map(|partial| &mut partial[..block.len()]);
                ring.inner_products(prime, left, right, [p0, p1]);
                ring.combine_limb(prime, Binary::Add, c0, p0);
                ring.combine_limb(prime, Binary::Add, c1, p1);
            }
        }
    }
}
