//! The innermost loops, for who measures them. Owns nothing; not part of the interface.

use alloc::vec::Vec;

use crate::scheme::Params;

/// One limb modulo the last special prime of a parameter set.
#[derive(Debug)]
pub struct Kernels {
    params: Params,
    limb: Vec<u32>,
    back: Vec<u32>,
}

impl Kernels {
    /// A limb of a parameter set.
    #[must_use]
    pub fn new(params: &Params) -> Self {
        let limb: Vec<u32> = (0..params.degree() as u32).collect();
        Self { params: params.clone(), back: limb.clone(), limb }
    }

    /// Transforms the limb.
    pub fn forward(&mut self) {
        let ring = self.params.ring();
        ring.forward_limb(ring.moduli().len() - 1, &mut self.limb);
    }

    /// Transforms the limb back.
    pub fn inverse(&mut self) {
        let ring = self.params.ring();
        let prime = ring.moduli().len() - 1;
        ring.inverse_limb_scaled(prime, ring.moduli()[prime].shoup(1), &self.limb, &mut self.back);
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
}
