//! Parameter sets. Their encoding is what the parameter identifier is the hash of.

use alloc::vec::Vec;

use super::{
    error::DecodeError,
    header::{Kind, PREFIX, expect_kind, prefix},
};
use crate::scheme::{ParamsSpec, Scale};

/// Prefix, log₂ N, digit size, number of groups, number of special primes, reserved, scale.
const FIXED: usize = PREFIX + 4 + 2 + 8;

/// The canonical encoding of a parameter set.
pub(crate) fn encode_params(spec: &ParamsSpec) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FIXED + 16 * spec.levels.len());
    bytes.extend(prefix(Kind::Params));
    bytes.extend([
        spec.log_degree,
        spec.digit_primes,
        spec.levels.len() as u8,
        spec.special_primes.len() as u8,
    ]);
    bytes.extend([0; 2]);
    bytes.extend(spec.scale.to_bits().to_le_bytes());
    bytes.extend(spec.levels.iter().map(|group| group.len() as u8));
    for q in spec.levels.iter().flatten().chain(&spec.special_primes) {
        bytes.extend(q.to_le_bytes());
    }
    bytes
}

impl ParamsSpec {
    /// Encodes; [`ParamsId`](crate::ParamsId) is the SHA-256 of these bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        encode_params(self)
    }

    /// Decodes strictly. The result is still untrusted: [`Params::new`](crate::Params::new) checks it.
    ///
    /// # Errors
    /// The first [`DecodeError`] that applies.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        expect_kind(bytes, Kind::Params)?;
        let found = bytes.len();
        let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED>() else {
            return Err(DecodeError::WrongLength { expected: FIXED, found });
        };
        let [log_degree, digit_primes, groups, special, reserved @ ..] = &fixed[PREFIX..PREFIX + 6] else {
            return Err(DecodeError::WrongLength { expected: FIXED, found });
        };
        if reserved != [0; 2] {
            return Err(DecodeError::ReservedNotZero { offset: PREFIX + 4 });
        }
        let mut scale = [0; 8];
        scale.copy_from_slice(&fixed[PREFIX + 6..]);
        let scale = f64::from_le_bytes(scale);
        if Scale::new(scale).is_none() {
            return Err(DecodeError::InvalidScale { found: scale.to_bits() });
        }
        let (groups, special) = (usize::from(*groups), usize::from(*special));
        let Some((sizes, primes)) = rest.split_at_checked(groups) else {
            return Err(DecodeError::WrongLength { expected: FIXED + groups, found });
        };
        let count = sizes.iter().map(|&size| usize::from(size)).sum::<usize>() + special;
        let expected = FIXED + groups + 4 * count;
        if found != expected {
            return Err(DecodeError::WrongLength { expected, found });
        }
        let mut primes = primes.as_chunks::<4>().0.iter().map(|prime| u32::from_le_bytes(*prime));
        let levels = sizes.iter().map(|&size| primes.by_ref().take(usize::from(size)).collect()).collect();
        Ok(Self {
            log_degree: *log_degree,
            levels,
            special_primes: primes.collect(),
            digit_primes: *digit_primes,
            scale,
        })
    }
}
