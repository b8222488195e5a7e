//! Residue polynomials. Owns storage and the two domains; knows no keys and no scales.
//! Invariant: every residue of limb i is below the i-th prime of the basis.

use core::marker::PhantomData;

use zeroize::Zeroize;

use super::scratch::Residues;

/// Marks coefficients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coeff {}

/// Marks values at the odd powers of ψ in bit-reversed order: entry i is the value at ψ^(2·rev(i)+1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ntt {}

/// One polynomial modulo several primes: one row of N residues, a limb, per prime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poly<Domain> {
    degree: usize,
    residues: Residues,
    domain: PhantomData<Domain>,
}

impl<Domain> Poly<Domain> {
    /// The zero polynomial with `limbs` limbs.
    pub(crate) fn zero(degree: usize, limbs: usize) -> Self {
        Self::from_residues(degree, Residues::zero(degree * limbs))
    }

    /// A polynomial whose residues are yet to be written, all of them; see [`Residues::stale`].
    pub(crate) fn unwritten(degree: usize, limbs: usize) -> Self {
        Self::from_residues(degree, Residues::stale(degree * limbs))
    }

    /// A polynomial without limbs, and memory for some: cheaper than clearing all of them where they are made one after
    /// the other.
    pub(crate) fn with_capacity(degree: usize, limbs: usize) -> Self {
        Self::from_residues(degree, Residues::with_capacity(degree * limbs))
    }

    /// Appends a limb that is yet to be written, all of it; see [`Residues::stale`].
    pub(crate) fn push_unwritten(&mut self) -> &mut [u32] {
        self.residues.extend_stale(self.degree)
    }

    /// Takes limbs stored one after the other.
    pub(crate) fn from_residues(degree: usize, residues: impl Into<Residues>) -> Self {
        let residues = residues.into();
        debug_assert!(residues.len().is_multiple_of(degree));
        Self { degree, residues, domain: PhantomData }
    }

    /// The ring degree N.
    #[must_use]
    pub fn degree(&self) -> usize {
        self.degree
    }

    /// The number of limbs.
    #[must_use]
    pub fn limbs(&self) -> usize {
        self.residues.len() / self.degree
    }

    /// The residues modulo the `index`-th prime.
    ///
    /// # Panics
    /// When there is no such limb.
    #[must_use]
    pub fn limb(&self, index: usize) -> &[u32] {
        &self.residues[index * self.degree..][..self.degree]
    }

    /// The limbs in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u32]> + DoubleEndedIterator {
        self.residues.chunks_exact(self.degree)
    }

    pub(crate) fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = &mut [u32]> + DoubleEndedIterator {
        self.residues.chunks_exact_mut(self.degree)
    }

    /// All residues, limb after limb.
    #[must_use]
    pub fn residues(&self) -> &[u32] {
        &self.residues
    }

    pub(crate) fn residues_mut(&mut self) -> &mut [u32] {
        &mut self.residues
    }

    /// Keeps the first `limbs` limbs.
    pub(crate) fn truncate(&mut self, limbs: usize) {
        self.residues.truncate(limbs * self.degree);
    }

    /// Reinterprets the residues, after a transform in place.
    pub(crate) fn into_domain<Other>(self) -> Poly<Other> {
        Poly::from_residues(self.degree, self.residues)
    }
}

impl<Domain> Zeroize for Poly<Domain> {
    fn zeroize(&mut self) {
        self.residues.zeroize();
    }
}
