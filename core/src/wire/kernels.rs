//! Packing and unpacking of one limb, for who measures the innermost loops.

use core::hint::black_box;

use super::packing::{pack, unpack};
use crate::scheme::Kernels;

impl Kernels {
    /// Packs the limb into the bits of its prime.
    pub fn pack(&mut self) {
        let bits = self.bits();
        pack(self.params.ring().backend(), &self.limb, bits, &mut self.packed);
    }

    /// Unpacks what was packed, and compares it with a bound.
    pub fn unpack(&mut self) {
        let bits = self.bits();
        black_box(unpack(self.params.ring().backend(), &self.packed, bits, (1 << bits) - 1, &mut self.back));
    }
}
