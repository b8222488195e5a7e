//! Residues side by side at just the bits they need, least significant bit first. A limb fills
//! whole bytes, since N is a multiple of 32.

use alloc::vec::Vec;

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

/// Appends a polynomial.
pub(super) fn write_poly<D>(
    bytes: &mut Vec<u8>,
    poly: &Poly<D>,
    moduli: impl Iterator<Item = Modulus>,
    dropped_bits: u8,
) {
    for (limb, m) in poly.iter().zip(moduli) {
        pack(bytes, limb, m.bits() - u32::from(dropped_bits));
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
    let mut poly = Poly::zero(params.degree(), moduli.clone().count());
    for (i, (limb, m)) in poly.iter_mut().zip(moduli).enumerate() {
        let bits = m.bits() - u32::from(dropped_bits);
        let (packed, rest) = bytes.split_at(limb_len(params.degree(), bits));
        *bytes = rest;
        unpack(packed, limb, bits);
        let bound = (m.value() - 1) >> dropped_bits;
        // Looking for the place only when there is one keeps the common case a plain maximum.
        if limb.iter().fold(0, |most, &r| most.max(r)) > bound {
            let index = limb.iter().position(|&r| r > bound).unwrap_or(0);
            return Err(DecodeError::ResidueOutOfRange { limb: first_limb + i, index });
        }
    }
    Ok(poly)
}

fn pack(bytes: &mut Vec<u8>, limb: &[u32], bits: u32) {
    let (mut accumulator, mut filled) = (0u64, 0);
    for &residue in limb {
        accumulator |= u64::from(residue) << filled;
        filled += bits;
        if filled >= 32 {
            bytes.extend((accumulator as u32).to_le_bytes());
            accumulator >>= 32;
            filled -= 32;
        }
    }
    debug_assert_eq!(filled, 0, "N is a multiple of 32");
}

fn unpack(bytes: &[u8], limb: &mut [u32], bits: u32) {
    let mask = (1u64 << bits) - 1;
    let mut words = bytes.as_chunks::<4>().0.iter();
    let (mut accumulator, mut filled) = (0u64, 0);
    for residue in limb {
        if filled < bits {
            let word = words.next().map_or(0, |word| u32::from_le_bytes(*word));
            accumulator |= u64::from(word) << filled;
            filled += 32;
        }
        *residue = (accumulator & mask) as u32;
        accumulator >>= bits;
        filled -= bits;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn unpacking_undoes_packing(values in prop::collection::vec(any::<u32>(), 64), bits in 1u32..=30) {
            let limb: Vec<u32> = values.iter().map(|v| v & ((1 << bits) - 1)).collect();
            let mut bytes = Vec::new();
            pack(&mut bytes, &limb, bits);
            prop_assert_eq!(bytes.len(), limb_len(64, bits));
            let mut back = alloc::vec![0; 64];
            unpack(&bytes, &mut back, bits);
            prop_assert_eq!(back, limb);
        }
    }

    #[test]
    fn bits_go_in_least_significant_first() {
        let mut bytes = Vec::new();
        let mut limb = alloc::vec![0u32; 32];
        (limb[0], limb[1], limb[2]) = (0b101, 0b011, 0b111);
        pack(&mut bytes, &limb, 3);
        assert_eq!(bytes[..2], [0b1101_1101, 0b1]);
    }
}
