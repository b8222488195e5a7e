//! The answer of an evaluation: low-order bits that hold noise only are cut off before it travels.

use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::{
    ciphertext::{Ciphertext, ResultCiphertexts},
    encoding::Encoder,
    error::Error,
    keys::SecretKey,
    level::Level,
    params::Params,
};
use crate::ring::{Binary, Coeff, Poly};

impl ResultCiphertexts {
    /// Rounds the coefficients of ciphertexts of one level to multiples of 2^`dropped_bits`.
    ///
    /// Adds at most `2^(dropped_bits − 1)·(1 + ‖s‖₁)` to a coefficient of the message, in practice
    /// about `2^dropped_bits·√(N/18)`.
    ///
    /// # Errors
    /// [`Error::InputCount`] without ciphertexts, [`Error::LevelMismatch`] or [`Error::ScaleMismatch`]
    /// when they differ, [`Error::ParamsMismatch`], [`Error::TooManyDroppedBits`].
    pub fn new(params: &Params, ciphertexts: &[Ciphertext], dropped_bits: u8) -> Result<Self, Error> {
        let first = ciphertexts.first().ok_or(Error::InputCount { expected: 1, found: 0 })?;
        let ring = params.ring();
        let main = first.c0.limbs();
        let max = Self::max_dropped_bits(params, first.level);
        if dropped_bits > max {
            return Err(Error::TooManyDroppedBits { max, found: dropped_bits });
        }
        let cut = |poly: &Poly<crate::ring::Ntt>| {
            let mut poly = ring.inverse(main, poly.clone());
            for (limb, m) in poly.iter_mut().zip(ring.moduli()) {
                limb.iter_mut().for_each(|r| *r = round_shift(*r, m.value(), dropped_bits));
            }
            poly
        };
        let mut cut_all = Vec::with_capacity(ciphertexts.len());
        for ciphertext in ciphertexts {
            params.check(ciphertext.params_id)?;
            if ciphertext.level != first.level {
                return Err(Error::LevelMismatch { expected: first.level, found: ciphertext.level });
            }
            if !first.scale.matches(ciphertext.scale) {
                return Err(Error::ScaleMismatch { expected: first.scale, found: ciphertext.scale });
            }
            cut_all.push([cut(&ciphertext.c0), cut(&ciphertext.c1)]);
        }
        let (level, scale) = (first.level, first.scale);
        Ok(Self { params_id: params.id(), level, scale, dropped_bits, ciphertexts: cut_all })
    }

    /// How many low-order bits can be cut off at `level`: two less than its prime has bits. With several
    /// limbs none, as low-order bits of residues are not low-order bits of the coefficient.
    #[must_use]
    pub fn max_dropped_bits(params: &Params, level: Level) -> u8 {
        match &params.ring().moduli()[..params.limbs_at(level)] {
            [m] => (m.bits() - 2) as u8,
            _ => 0,
        }
    }

    /// The number of ciphertexts.
    #[must_use]
    pub fn count(&self) -> usize {
        self.ciphertexts.len()
    }

    /// The level of all of them.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// The ciphertexts, with zeros for the bits that were cut off.
    ///
    /// # Errors
    /// [`Error::ParamsMismatch`].
    pub fn expand(&self, params: &Params) -> Result<Vec<Ciphertext>, Error> {
        params.check(self.params_id)?;
        let Self { params_id, level, scale, .. } = *self;
        let transformed =
            |poly: &Poly<Coeff>| params.ring().forward(poly.limbs(), self.restored(poly.clone()));
        let ciphertext = |[c0, c1]: &[Poly<Coeff>; 2]| Ciphertext {
            params_id,
            level,
            scale,
            c0: transformed(c0),
            c1: transformed(c1),
        };
        Ok(self.ciphertexts.iter().map(ciphertext).collect())
    }

    /// Decrypts the ciphertexts and decodes the real parts of their slots, one after the other and in the memory that
    /// they are in: what [`decrypt_real`](super::decrypt_real) gives of each, without transforms of c₀. `read` gets the
    /// number of a ciphertext and its values, which are wiped after it.
    ///
    /// # Errors
    /// [`Error::ParamsMismatch`] for a key or a result of other parameters.
    pub fn decrypt_real(
        mut self,
        encoder: &Encoder,
        secret: &SecretKey,
        mut read: impl FnMut(usize, &[f64]),
    ) -> Result<(), Error> {
        let params = encoder.params();
        params.check(secret.params_id)?;
        params.check(self.params_id)?;
        let (ring, limbs) = (params.ring(), encoder.limbs_of_values(self.scale));
        for (index, halves) in core::mem::take(&mut self.ciphertexts).into_iter().enumerate() {
            let [c0, c1] = halves.map(|mut half| {
                half.truncate(limbs.min(half.limbs()));
                self.restored(half)
            });
            let mut message = Zeroizing::new(c1);
            for (i, (limb, c0)) in message.iter_mut().zip(c0.iter()).enumerate() {
                ring.forward_limb(i, limb);
                ring.combine_limb(i, Binary::MultiplyMontgomery, limb, secret.poly.limb(i));
                ring.inverse_limb(i, limb);
                ring.combine_limb(i, Binary::Add, limb, c0);
            }
            read(index, &encoder.slots(&message, self.scale).re);
        }
        Ok(())
    }

    /// Coefficients with zeros for the bits that were cut off.
    fn restored(&self, mut poly: Poly<Coeff>) -> Poly<Coeff> {
        poly.residues_mut().iter_mut().for_each(|residue| *residue <<= self.dropped_bits);
        poly
    }
}

/// `⌊residue / 2^bits⌉`, a tie to the even neighbour; where that times 2^bits would reach q, which
/// stands for 0, it is 0.
///
/// Ties that always went up would leave a mean error of ½ in every coefficient, and slots near
/// ζ = 1 collect the coefficients of a constant error: measured, that cost 4 bits of precision.
fn round_shift(residue: u32, q: u32, bits: u8) -> u32 {
    if bits == 0 {
        return residue;
    }
    let (below_half, odd) = ((1u32 << (bits - 1)) - 1, (residue >> bits) & 1);
    let rounded = (residue + below_half + odd) >> bits;
    if rounded << bits < q { rounded } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::round_shift;

    #[test]
    fn rounds_to_the_nearest_and_ties_to_even() {
        let rounded: Vec<u32> = (0..13).map(|residue| round_shift(residue, 97, 2)).collect();
        assert_eq!(rounded, [0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3]);
        assert_eq!(round_shift(5, 97, 0), 5);
        assert_eq!(round_shift(96, 97, 3), 12);
        assert_eq!(round_shift(96, 97, 4), 6);
        assert_eq!(round_shift(97 - 1, 97, 6), 0, "128 would not be a residue");
    }

    #[test]
    fn errors_have_no_mean() {
        for bits in 1..8u8 {
            let errors = (0..1u32 << (bits + 4))
                .map(|r| i64::from(round_shift(r, u32::MAX, bits) << bits) - i64::from(r));
            assert_eq!(errors.sum::<i64>(), 0, "{bits} bits");
        }
    }
}
