//! Residues side by side at just the bits they need, least significant bit first. A limb fills
//! whole bytes, since N is a multiple of 32.

mod limb;

pub(super) use limb::{pack, unpack};

use super::error::DecodeError;
use crate::{
    arithmetic::Modulus,
    ring::Poly,
    scheme::{Level, Params},
};

/// The bytes of one limb at `bits` bits a residue.
const fn limb_len(degree: usize, bits: u32) -> usize {
    degree / 8 * bits as usize
}

/// The moduli of the limbs of a polynomial at `level`.
pub(super) fn main_moduli(params: &Params, level: Level) -> impl Iterator<Item = Modulus> {
    params.ring().moduli()[..params.limbs_at(level)].iter().copied()
}

/// The same followed by the special ones.
pub(super) fn extended_moduli(params: &Params, level: Level) -> impl Iterator<Item = Modulus> {
    main_moduli(params, level).chain(params.ring().special().iter().copied())
}

/// The bytes of a polynomial whose residues have lost `dropped_bits`.
pub(super) fn poly_len(params: &Params, moduli: impl Iterator<Item = Modulus>, dropped_bits: u8) -> usize {
    moduli.map(|m| limb_len(params.degree(), m.bits() - u32::from(dropped_bits))).sum()
}

/// Writes a polynomial to the front of `bytes`, which is long enough, and leaves what is behind it.
pub(super) fn write_poly<D>(
    params: &Params,
    bytes: &mut &mut [u8],
    poly: &Poly<D>,
    moduli: impl Iterator<Item = Modulus>,
    dropped_bits: u8,
) {
    for (limb, m) in poly.iter().zip(moduli) {
        let bits = m.bits() - u32::from(dropped_bits);
        let (packed, rest) = core::mem::take(bytes).split_at_mut(limb_len(params.degree(), bits));
        *bytes = rest;
        pack(params.ring().backend(), limb, bits, packed);
    }
}

/// Reads a polynomial from the front of `bytes`, which is long enough; `first_limb` numbers its
/// limbs in errors. Residues are below their primes once shifted left by `dropped_bits`.
pub(super) fn read_poly<D>(
    params: &Params,
    bytes: &mut &[u8],
    moduli: impl Iterator<Item = Modulus> + Clone,
    dropped_bits: u8,
    first_limb: usize,
) -> Result<Poly<D>, DecodeError> {
    let mut poly = Poly::unwritten(params.degree(), moduli.clone().count());
    for (i, (limb, m)) in poly.iter_mut().zip(moduli).enumerate() {
        let bits = m.bits() - u32::from(dropped_bits);
        let (packed, rest) = bytes.split_at(limb_len(params.degree(), bits));
        *bytes = rest;
        let bound = (m.value() - 1) >> dropped_bits;
        if !unpack(params.ring().backend(), packed, bits, bound, limb) {
            let index = limb.iter().position(|&r| r > bound).unwrap_or(0);
            return Err(DecodeError::ResidueOutOfRange { limb: first_limb + i, index });
        }
    }
    Ok(poly)
}
