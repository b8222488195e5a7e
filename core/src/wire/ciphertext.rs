//! Ciphertexts: seeded ones as clients send them, and whole ones.

use alloc::vec::Vec;

use super::{
    error::DecodeError,
    header::{HEADER, Header, Kind, body},
    packing::{main_moduli, poly_len, read_poly, write_poly},
};
use crate::scheme::{Ciphertext, Error, Level, Params, Scale, Seed, SeededCiphertext};

/// The bytes of a seed.
pub(super) const SEED: usize = 32;

/// Reads a seed from the front of `bytes`, which is long enough.
pub(super) fn read_seed(bytes: &mut &[u8]) -> Seed {
    let (front, rest) = bytes.split_at(SEED);
    *bytes = rest;
    let mut seed = [0; SEED];
    seed.copy_from_slice(front);
    Seed::new(seed)
}

/// Writes a seed to the front of `bytes`, which is long enough, and leaves what is behind it.
pub(super) fn write_seed(bytes: &mut &mut [u8], seed: &Seed) {
    let (front, rest) = core::mem::take(bytes).split_at_mut(SEED);
    *bytes = rest;
    front.copy_from_slice(seed.as_bytes());
}

/// Checks that a ciphertext is at a level and at exactly that level's scale.
pub(super) fn expect_at(
    params: &Params,
    expected: Level,
    level: Level,
    scale: Scale,
) -> Result<(), DecodeError> {
    if level != expected {
        return Err(DecodeError::LevelMismatch { expected, found: level });
    }
    let wanted = params.scale_at(expected);
    if scale.value().to_bits() != wanted.value().to_bits() {
        return Err(DecodeError::ScaleMismatch { expected: wanted, found: scale });
    }
    Ok(())
}

impl SeededCiphertext {
    /// The length of the encoding at `level`: 84 bytes and one polynomial.
    ///
    /// # Panics
    /// When `level` does not exist.
    #[must_use]
    pub fn encoded_len(params: &Params, level: Level) -> usize {
        HEADER + SEED + poly_len(params, main_moduli(params, level), 0)
    }

    /// Encodes.
    ///
    /// # Errors
    /// [`Error::ParamsMismatch`].
    pub fn to_bytes(&self, params: &Params) -> Result<Vec<u8>, Error> {
        params.check(self.params_id)?;
        let header = Header::of_ciphertext(self.level, self.scale);
        let total = Self::encoded_len(params, self.level);
        let mut bytes = header.write(Kind::SeededCiphertext, self.params_id, total);
        let mut body = &mut bytes[HEADER..];
        write_seed(&mut body, &self.seed);
        write_poly(params, &mut body, &self.c0, main_moduli(params, self.level), 0);
        Ok(bytes)
    }

    /// Decodes strictly.
    ///
    /// # Errors
    /// The first [`DecodeError`] that applies, header first.
    pub fn from_bytes(params: &Params, bytes: &[u8]) -> Result<Self, DecodeError> {
        let (level, scale) = read_header(params, Kind::SeededCiphertext, bytes)?;
        let mut body = body(bytes, Self::encoded_len(params, level))?;
        let seed = read_seed(&mut body);
        let limbs: Vec<_> = main_moduli(params, level).collect();
        let c0 = read_poly(params, &mut body, limbs.iter().copied(), 0, 0)?;
        Ok(Self { params_id: params.id(), level, scale, c0, seed })
    }

    /// Decodes what must be at `level` and at exactly that level's scale.
    ///
    /// # Errors
    /// As [`SeededCiphertext::from_bytes`]; [`DecodeError::LevelMismatch`],
    /// [`DecodeError::ScaleMismatch`].
    pub fn from_bytes_at(params: &Params, level: Level, bytes: &[u8]) -> Result<Self, DecodeError> {
        let ciphertext = Self::from_bytes(params, bytes)?;
        expect_at(params, level, ciphertext.level, ciphertext.scale)?;
        Ok(ciphertext)
    }
}

impl Ciphertext {
    /// The length of the encoding at `level`: 52 bytes and two polynomials.
    ///
    /// # Panics
    /// When `level` does not exist.
    #[must_use]
    pub fn encoded_len(params: &Params, level: Level) -> usize {
        HEADER + 2 * poly_len(params, main_moduli(params, level), 0)
    }

    /// Encodes.
    ///
    /// # Errors
    /// [`Error::ParamsMismatch`].
    pub fn to_bytes(&self, params: &Params) -> Result<Vec<u8>, Error> {
        params.check(self.params_id)?;
        let header = Header::of_ciphertext(self.level, self.scale);
        let total = Self::encoded_len(params, self.level);
        let mut bytes = header.write(Kind::Ciphertext, self.params_id, total);
        let mut body = &mut bytes[HEADER..];
        for half in [&self.c0, &self.c1] {
            write_poly(params, &mut body, half, main_moduli(params, self.level), 0);
        }
        Ok(bytes)
    }

    /// Decodes strictly; a ciphertext with `c₁ = 0` is refused.
    ///
    /// # Errors
    /// The first [`DecodeError`] that applies, header first.
    pub fn from_bytes(params: &Params, bytes: &[u8]) -> Result<Self, DecodeError> {
        let (level, scale) = read_header(params, Kind::Ciphertext, bytes)?;
        let mut body = body(bytes, Self::encoded_len(params, level))?;
        let limbs: Vec<_> = main_moduli(params, level).collect();
        let c0 = read_poly(params, &mut body, limbs.iter().copied(), 0, 0)?;
        let c1 = read_poly(params, &mut body, limbs.iter().copied(), 0, limbs.len())?;
        let ciphertext = Self { params_id: params.id(), level, scale, c0, c1 };
        if ciphertext.is_transparent() { Err(DecodeError::Transparent) } else { Ok(ciphertext) }
    }

    /// Decodes what must be at `level` and at exactly that level's scale.
    ///
    /// # Errors
    /// As [`Ciphertext::from_bytes`]; [`DecodeError::LevelMismatch`], [`DecodeError::ScaleMismatch`].
    pub fn from_bytes_at(params: &Params, level: Level, bytes: &[u8]) -> Result<Self, DecodeError> {
        let ciphertext = Self::from_bytes(params, bytes)?;
        expect_at(params, level, ciphertext.level, ciphertext.scale)?;
        Ok(ciphertext)
    }
}

fn read_header(params: &Params, kind: Kind, bytes: &[u8]) -> Result<(Level, Scale), DecodeError> {
    let header = Header::read(params, kind, bytes)?;
    header.no_dropped_bits()?;
    header.no_argument()?;
    Ok((header.level, header.scale()?))
}
