//! The innermost loops, for who measures them. Owns nothing; not part of the interface.

use alloc::vec::Vec;

use crate::scheme::Params;

/// One limb modulo the first prime of a parameter set.
#[derive(Debug)]
pub struct Kernels {
    params: Params,
    limb: Vec<u32>,
}

impl Kernels {
    /// A limb of a parameter set.
    #[must_use]
    pub fn new(params: &Params) -> Self {
        Self { params: params.clone(), limb: (0..params.degree() as u32).collect() }
    }

    /// Transforms the limb.
    pub fn forward(&mut self) {
        self.params.ring().forward_limb(0, &mut self.limb);
    }

    /// Transforms the limb back.
    pub fn inverse(&mut self) {
        let ring = self.params.ring();
        ring.inverse_limb_scaled(0, ring.moduli()[0].shoup(1), &mut self.limb);
    }
}
