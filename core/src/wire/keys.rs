//! Keys: the seed of a secret one, and public and evaluation keys with the seed of their uniform halves.

use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::{
    ciphertext::{SEED, read_seed, write_seed},
    error::DecodeError,
    header::{HEADER, Header, Kind, body},
    packing::{extended_moduli, main_moduli, poly_len, read_poly, write_poly},
};
use crate::scheme::{
    CompressedGaloisKey, CompressedRelinearizationKey, CompressedSwitchingKey, Error, GaloisElement, Level,
    Params, PublicKey, SecretKey,
};

impl SecretKey {
    /// The length of the encoding.
    pub const ENCODED_LEN: usize = HEADER + SEED;

    /// Encodes, as the seed that the key is expanded from. The bytes are secret.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let header = Header::of_key(Level(0), 0);
        let mut bytes = Zeroizing::new(header.write(Kind::SecretKey, self.params_id, Self::ENCODED_LEN));
        let mut body = &mut bytes[HEADER..];
        write_seed(&mut body, &self.seed);
        bytes
    }

    /// Decodes and expands the key.
    ///
    /// # Errors
    /// The first [`DecodeError`] that applies.
    pub fn from_bytes(params: &Params, bytes: &[u8]) -> Result<Self, DecodeError> {
        let header = Header::read(params, Kind::SecretKey, bytes)?;
        header.no_dropped_bits()?;
        header.no_argument()?;
        header.no_scale()?;
        if header.level != Level(0) {
            return Err(DecodeError::LevelMismatch { expected: Level(0), found: header.level });
        }
        let mut body = body(bytes, Self::ENCODED_LEN)?;
        Ok(Self::generate(params, &read_seed(&mut body)))
    }
}

impl PublicKey {
    /// The length of the encoding: 84 bytes and one polynomial over all main primes.
    #[must_use]
    pub fn encoded_len(params: &Params) -> usize {
        HEADER + SEED + poly_len(params, main_moduli(params, params.max_level()), 0)
    }

    /// Encodes.
    ///
    /// # Errors
    /// [`Error::ParamsMismatch`].
    pub fn to_bytes(&self, params: &Params) -> Result<Vec<u8>, Error> {
        params.check(self.params_id)?;
        let header = Header::of_key(params.max_level(), 0);
        let mut bytes = header.write(Kind::PublicKey, self.params_id, Self::encoded_len(params));
        let mut body = &mut bytes[HEADER..];
        write_seed(&mut body, &self.seed);
        write_poly(params, &mut body, &self.b, main_moduli(params, params.max_level()), 0);
        Ok(bytes)
    }

    /// Decodes strictly.
    ///
    /// # Errors
    /// The first [`DecodeError`] that applies, header first.
    pub fn from_bytes(params: &Params, bytes: &[u8]) -> Result<Self, DecodeError> {
        let header = Header::read(params, Kind::PublicKey, bytes)?;
        header.no_dropped_bits()?;
        header.no_argument()?;
        header.no_scale()?;
        let (expected, found) = (params.max_level(), header.level);
        if found != expected {
            return Err(DecodeError::LevelMismatch { expected, found });
        }
        let mut body = body(bytes, Self::encoded_len(params))?;
        let seed = read_seed(&mut body);
        let limbs: Vec<_> = main_moduli(params, expected).collect();
        let b = read_poly(params, &mut body, limbs.iter().copied(), 0, 0)?;
        Ok(Self { params_id: params.id(), b, seed })
    }
}

/// The length of a switching key's encoding: 84 bytes and one polynomial per digit over the
/// primes of the level and the special ones.
fn switching_len(params: &Params, level: Level) -> usize {
    HEADER + SEED + params.digits_at(level) * poly_len(params, extended_moduli(params, level), 0)
}

fn write_switching(
    params: &Params,
    kind: Kind,
    argument: u32,
    key: &CompressedSwitchingKey,
) -> Result<Vec<u8>, Error> {
    params.check(key.params_id)?;
    let header = Header::of_key(key.level, argument);
    let mut bytes = header.write(kind, key.params_id, switching_len(params, key.level));
    let mut body = &mut bytes[HEADER..];
    write_seed(&mut body, &key.seed);
    for digit in &key.digits {
        write_poly(params, &mut body, digit, extended_moduli(params, key.level), 0);
    }
    Ok(bytes)
}

fn read_switching(
    params: &Params,
    level: Level,
    bytes: &[u8],
) -> Result<CompressedSwitchingKey, DecodeError> {
    let mut body = body(bytes, switching_len(params, level))?;
    let seed = read_seed(&mut body);
    let limbs: Vec<_> = extended_moduli(params, level).collect();
    let digits = (0..params.digits_at(level))
        .map(|j| read_poly(params, &mut body, limbs.iter().copied(), 0, j * limbs.len()))
        .collect::<Result<_, _>>()?;
    Ok(CompressedSwitchingKey { params_id: params.id(), level, seed, digits })
}

impl CompressedRelinearizationKey {
    /// The length of the encoding of a key for `level`.
    ///
    /// # Panics
    /// When `level` does not exist.
    #[must_use]
    pub fn encoded_len(params: &Params, level: Level) -> usize {
        switching_len(params, level)
    }

    /// Encodes.
    ///
    /// # Errors
    /// [`Error::ParamsMismatch`].
    pub fn to_bytes(&self, params: &Params) -> Result<Vec<u8>, Error> {
        write_switching(params, Kind::RelinearizationKey, 0, &self.0)
    }

    /// Decodes strictly.
    ///
    /// # Errors
    /// The first [`DecodeError`] that applies, header first.
    pub fn from_bytes(params: &Params, bytes: &[u8]) -> Result<Self, DecodeError> {
        let header = Header::read(params, Kind::RelinearizationKey, bytes)?;
        header.no_dropped_bits()?;
        header.no_argument()?;
        header.no_scale()?;
        Ok(Self(read_switching(params, header.level, bytes)?))
    }
}

impl CompressedGaloisKey {
    /// The length of the encoding of a key for `level`.
    ///
    /// # Panics
    /// When `level` does not exist.
    #[must_use]
    pub fn encoded_len(params: &Params, level: Level) -> usize {
        switching_len(params, level)
    }

    /// Encodes.
    ///
    /// # Errors
    /// [`Error::ParamsMismatch`].
    pub fn to_bytes(&self, params: &Params) -> Result<Vec<u8>, Error> {
        write_switching(params, Kind::GaloisKey, self.element.value(), &self.key)
    }

    /// Decodes strictly.
    ///
    /// # Errors
    /// The first [`DecodeError`] that applies, header first.
    pub fn from_bytes(params: &Params, bytes: &[u8]) -> Result<Self, DecodeError> {
        let header = Header::read(params, Kind::GaloisKey, bytes)?;
        header.no_dropped_bits()?;
        header.no_scale()?;
        let found = header.argument;
        let element = GaloisElement::new(params, found).ok().filter(|element| element.value() != 1);
        let element = element.ok_or(DecodeError::InvalidGaloisElement { found })?;
        Ok(Self { element, key: read_switching(params, header.level, bytes)? })
    }
}
