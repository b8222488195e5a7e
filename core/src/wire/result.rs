//! The ciphertexts of a result.

use alloc::vec::Vec;

use super::{
    ciphertext::expect_at,
    error::DecodeError,
    header::{HEADER, Header, Kind, body},
    packing::{main_moduli, poly_len, read_poly, write_poly},
};
use crate::scheme::{Error, Level, Params, ResultCiphertexts};

/// More than any model answers.
const MAX_COUNT: u32 = 1 << 12;

impl ResultCiphertexts {
    /// The length of the encoding: 52 bytes, and per ciphertext two polynomials at `level` whose
    /// residues lost `dropped_bits`.
    ///
    /// # Panics
    /// When `level` does not exist or residues would lose all bits.
    #[must_use]
    pub fn encoded_len(params: &Params, level: Level, dropped_bits: u8, count: usize) -> usize {
        let polys = count.saturating_mul(2);
        // Where addresses have 32 bits, a count from elsewhere can announce more bytes than there are.
        polys
            .saturating_mul(poly_len(params, main_moduli(params, level), dropped_bits))
            .saturating_add(HEADER)
    }

    /// Encodes.
    ///
    /// # Errors
    /// [`Error::ParamsMismatch`].
    pub fn to_bytes(&self, params: &Params) -> Result<Vec<u8>, Error> {
        params.check(self.params_id)?;
        let mut header = Header::of_ciphertext(self.level, self.scale);
        header.dropped_bits = self.dropped_bits;
        header.argument = self.ciphertexts.len() as u32;
        let total = Self::encoded_len(params, self.level, self.dropped_bits, self.ciphertexts.len());
        let mut bytes = header.write(Kind::ResultCiphertexts, self.params_id, total);
        let mut body = &mut bytes[HEADER..];
        for half in self.ciphertexts.iter().flatten() {
            write_poly(params, &mut body, half, main_moduli(params, self.level), self.dropped_bits);
        }
        Ok(bytes)
    }

    /// Decodes strictly.
    ///
    /// # Errors
    /// The first [`DecodeError`] that applies, header first.
    pub fn from_bytes(params: &Params, bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::read(params, &Header::read(params, Kind::ResultCiphertexts, bytes)?, bytes)
    }

    /// Decodes `count` ciphertexts that must be at `level` and at exactly that level's scale.
    ///
    /// # Errors
    /// As [`ResultCiphertexts::from_bytes`]; [`DecodeError::LevelMismatch`], [`DecodeError::ScaleMismatch`],
    /// [`DecodeError::CountMismatch`].
    pub fn from_bytes_at(
        params: &Params,
        level: Level,
        count: u32,
        bytes: &[u8],
    ) -> Result<Self, DecodeError> {
        let header = Header::read(params, Kind::ResultCiphertexts, bytes)?;
        expect_at(params, level, header.level, header.scale()?)?;
        if header.argument != count {
            return Err(DecodeError::CountMismatch { expected: count, found: header.argument });
        }
        Self::read(params, &header, bytes)
    }

    fn read(params: &Params, header: &Header, bytes: &[u8]) -> Result<Self, DecodeError> {
        let (level, scale, dropped_bits) = (header.level, header.scale()?, header.dropped_bits);
        let max = Self::max_dropped_bits(params, level);
        if dropped_bits > max {
            return Err(DecodeError::InvalidDroppedBits { max, found: dropped_bits });
        }
        if !(1..=MAX_COUNT).contains(&header.argument) {
            return Err(DecodeError::InvalidCount { max: MAX_COUNT, found: header.argument });
        }
        let count = header.argument as usize;
        let mut body = body(bytes, Self::encoded_len(params, level, dropped_bits, count))?;
        let limbs: Vec<_> = main_moduli(params, level).collect();
        let mut read = |poly: usize| {
            read_poly(params, &mut body, limbs.iter().copied(), dropped_bits, poly * limbs.len())
        };
        let ciphertexts =
            (0..count).map(|i| Ok([read(2 * i)?, read(2 * i + 1)?])).collect::<Result<_, DecodeError>>()?;
        Ok(Self { params_id: params.id(), level, scale, dropped_bits, ciphertexts })
    }
}
