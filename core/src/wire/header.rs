//! The 52 bytes that everything but a parameter set starts with.

use alloc::vec::Vec;
use core::fmt;

use super::error::DecodeError;
use crate::scheme::{Level, Params, ParamsId, Scale};

const MAGIC: [u8; 4] = *b"CKKS";
const VERSION: u8 = 2;

/// Magic, version, kind.
pub(super) const PREFIX: usize = 6;
/// The whole header.
pub(super) const HEADER: usize = 52;

const LEVEL: usize = 6;
const DROPPED_BITS: usize = 7;
const ARGUMENT: usize = 8;
const SCALE: usize = 12;
const PARAMS_ID: usize = 20;

/// What a sequence of bytes holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A parameter set.
    Params = 1,
    /// The seed of a secret key.
    SecretKey = 2,
    /// A public key.
    PublicKey = 3,
    /// A relinearization key.
    RelinearizationKey = 4,
    /// A Galois key.
    GaloisKey = 5,
    /// A fresh symmetric ciphertext: one polynomial and a seed.
    SeededCiphertext = 6,
    /// A ciphertext of two polynomials.
    Ciphertext = 7,
    /// The ciphertexts of a result, low-order bits cut off.
    ResultCiphertexts = 8,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Params,
        Self::SecretKey,
        Self::PublicKey,
        Self::RelinearizationKey,
        Self::GaloisKey,
        Self::SeededCiphertext,
        Self::Ciphertext,
        Self::ResultCiphertexts,
    ];

    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|&kind| kind as u8 == byte)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Params => "a parameter set",
            Self::SecretKey => "a secret key",
            Self::PublicKey => "a public key",
            Self::RelinearizationKey => "a relinearization key",
            Self::GaloisKey => "a Galois key",
            Self::SeededCiphertext => "a seeded ciphertext",
            Self::Ciphertext => "a ciphertext",
            Self::ResultCiphertexts => "the ciphertexts of a result",
        })
    }
}

/// Tells what bytes claim to be, by their first six bytes.
///
/// # Errors
/// [`DecodeError::WrongMagic`], [`DecodeError::UnsupportedVersion`]; `None` for an unknown kind.
pub fn identify(bytes: &[u8]) -> Result<Option<Kind>, DecodeError> {
    let mut prefix = [0; PREFIX];
    let known = bytes.len().min(PREFIX);
    prefix[..known].copy_from_slice(&bytes[..known]);
    let found = [prefix[0], prefix[1], prefix[2], prefix[3]];
    if found != MAGIC {
        return Err(DecodeError::WrongMagic { found });
    }
    if prefix[4] != VERSION {
        return Err(DecodeError::UnsupportedVersion { expected: VERSION, found: prefix[4] });
    }
    Ok(Kind::from_byte(prefix[5]))
}

/// Checks magic, version and kind.
pub(super) fn expect_kind(bytes: &[u8], expected: Kind) -> Result<(), DecodeError> {
    if identify(bytes)? == Some(expected) {
        return Ok(());
    }
    Err(DecodeError::WrongKind { expected, found: bytes.get(PREFIX - 1).copied().unwrap_or(0) })
}

pub(super) fn prefix(kind: Kind) -> [u8; PREFIX] {
    let [m0, m1, m2, m3] = MAGIC;
    [m0, m1, m2, m3, VERSION, kind as u8]
}

/// The fields of a header whose kind is known.
pub(super) struct Header {
    pub(super) level: Level,
    pub(super) dropped_bits: u8,
    /// The Galois element, or the number of ciphertexts.
    pub(super) argument: u32,
    /// Zero for keys.
    scale_bits: u64,
}

impl Header {
    /// A header with a level only, as keys have.
    pub(super) fn of_key(level: Level, argument: u32) -> Self {
        Self { level, dropped_bits: 0, argument, scale_bits: 0 }
    }

    /// A header with level and scale, as ciphertexts have.
    pub(super) fn of_ciphertext(level: Level, scale: Scale) -> Self {
        Self { level, dropped_bits: 0, argument: 0, scale_bits: scale.value().to_bits() }
    }

    /// Starts the bytes of `kind`: the header, and zeros up to `total` bytes in all.
    pub(super) fn write(&self, kind: Kind, params_id: ParamsId, total: usize) -> Vec<u8> {
        let mut bytes = alloc::vec![0; total];
        bytes[..PREFIX].copy_from_slice(&prefix(kind));
        bytes[LEVEL] = self.level.0;
        bytes[DROPPED_BITS] = self.dropped_bits;
        bytes[ARGUMENT..SCALE].copy_from_slice(&self.argument.to_le_bytes());
        bytes[SCALE..PARAMS_ID].copy_from_slice(&self.scale_bits.to_le_bytes());
        bytes[PARAMS_ID..HEADER].copy_from_slice(&params_id.0);
        bytes
    }

    /// Reads the header of `kind`: magic, version, kind, parameters and level are checked.
    pub(super) fn read(params: &Params, kind: Kind, bytes: &[u8]) -> Result<Self, DecodeError> {
        expect_kind(bytes, kind)?;
        let Some((header, _)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(DecodeError::WrongLength { expected: HEADER, found: bytes.len() });
        };
        let mut id = [0; 32];
        id.copy_from_slice(&header[PARAMS_ID..]);
        let (expected, found) = (params.id(), ParamsId(id));
        if found != expected {
            return Err(DecodeError::ParamsMismatch { expected, found });
        }
        let level = Level(header[LEVEL]);
        if level > params.max_level() {
            return Err(DecodeError::LevelOutOfRange { max: params.max_level(), found: level });
        }
        let word =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        Ok(Self {
            level,
            dropped_bits: header[DROPPED_BITS],
            argument: word(ARGUMENT),
            scale_bits: u64::from(word(SCALE)) | u64::from(word(SCALE + 4)) << 32,
        })
    }

    /// The scale, which ciphertexts must have.
    pub(super) fn scale(&self) -> Result<Scale, DecodeError> {
        let found = self.scale_bits;
        Scale::new(f64::from_bits(found)).ok_or(DecodeError::InvalidScale { found })
    }

    /// Refuses a scale, which keys do not have.
    pub(super) fn no_scale(&self) -> Result<(), DecodeError> {
        reserved(self.scale_bits == 0, SCALE)
    }

    /// Refuses an argument.
    pub(super) fn no_argument(&self) -> Result<(), DecodeError> {
        reserved(self.argument == 0, ARGUMENT)
    }

    /// Refuses dropped bits.
    pub(super) fn no_dropped_bits(&self) -> Result<(), DecodeError> {
        reserved(self.dropped_bits == 0, DROPPED_BITS)
    }
}

fn reserved(zero: bool, offset: usize) -> Result<(), DecodeError> {
    zero.then_some(()).ok_or(DecodeError::ReservedNotZero { offset })
}

/// Checks the exact length and returns what follows the header.
pub(super) fn body(bytes: &[u8], expected: usize) -> Result<&[u8], DecodeError> {
    let found = bytes.len();
    (found == expected).then(|| &bytes[HEADER..]).ok_or(DecodeError::WrongLength { expected, found })
}
