//! Bytes of callers into ciphertexts and keys, strictly against a model's parameters. The only
//! place that knows which decoding error is which problem.

use bytes::Bytes;
use ckks_core::{
    Ciphertext, CompressedGaloisKey, CompressedRelinearizationKey, DecodeError, GaloisKey, Kind, Level,
    Params, RelinearizationKey, SeededCiphertext, identify,
};

use crate::{
    id::KeyName,
    problem::{Code, Problem},
};

/// What the bytes should have been.
#[derive(Clone, Copy)]
enum Expected {
    Ciphertext,
    Key,
}

/// Reads one encrypted input: a seeded ciphertext or a whole one, at this level and its scale.
pub(crate) fn input(params: &Params, level: Level, bytes: &[u8]) -> Result<Ciphertext, Problem> {
    let decoded = match identify(bytes) {
        Ok(Some(Kind::Ciphertext)) => Ciphertext::from_bytes_at(params, level, bytes),
        _ => SeededCiphertext::from_bytes_at(params, level, bytes)
            .map(|seeded| seeded.expand(params).expect("decoded with these parameters")),
    };
    decoded.map_err(|error| problem(error, Expected::Ciphertext))
}

/// A key of either sort, as uploaded.
enum Key {
    Relinearization(CompressedRelinearizationKey),
    Galois(CompressedGaloisKey),
}

/// The same, ready to use.
pub(crate) enum PreparedKey {
    Relinearization(RelinearizationKey),
    Galois(GaloisKey),
}

/// Checks an uploaded key: well-formed, of this name, for this level.
pub(crate) fn check_key(params: &Params, name: KeyName, level: Level, bytes: &[u8]) -> Result<(), Problem> {
    key(params, name, level, bytes).map(drop)
}

/// Prepares a stored key. Its bytes are gone before the prepared key takes its memory.
pub(crate) fn prepare_key(
    params: &Params,
    name: KeyName,
    level: Level,
    bytes: Bytes,
) -> Result<PreparedKey, Problem> {
    let key = key(params, name, level, &bytes)?;
    drop(bytes);
    let prepared = match key {
        Key::Relinearization(key) => key.prepare(params).map(PreparedKey::Relinearization),
        Key::Galois(key) => key.prepare(params).map(PreparedKey::Galois),
    };
    Ok(prepared.expect("decoded with these parameters"))
}

fn key(params: &Params, name: KeyName, level: Level, bytes: &[u8]) -> Result<Key, Problem> {
    let refused = |error| problem(error, Expected::Key);
    let (key, found) = match name {
        KeyName::Relinearization => {
            let key = CompressedRelinearizationKey::from_bytes(params, bytes).map_err(refused)?;
            let found = key.level();
            (Key::Relinearization(key), found)
        }
        KeyName::Galois(element) => {
            let key = CompressedGaloisKey::from_bytes(params, bytes).map_err(refused)?;
            let found = key.element().value();
            if found != element {
                return Err(Problem::new(
                    Code::InvalidKey,
                    "The key is for another Galois element than its name says.",
                )
                .expected(element)
                .found(found));
            }
            let found = key.level();
            (Key::Galois(key), found)
        }
    };
    if found != level {
        return Err(refused(DecodeError::LevelMismatch { expected: level, found }));
    }
    Ok(key)
}

/// The problem of a decoding error; expected and found are kept as data.
fn problem(error: DecodeError, what: Expected) -> Problem {
    let malformed = match what {
        Expected::Ciphertext => Code::InvalidCiphertext,
        Expected::Key => Code::InvalidKey,
    };
    let code = match error {
        DecodeError::ParamsMismatch { .. } => Code::ParameterMismatch,
        DecodeError::LevelMismatch { .. } | DecodeError::LevelOutOfRange { .. } => Code::LevelMismatch,
        DecodeError::ScaleMismatch { .. } => Code::ScaleMismatch,
        DecodeError::Transparent => Code::TransparentCiphertext,
        _ => malformed,
    };
    let text = error.to_string();
    let problem = Problem::new(code, sentence(&text));
    match error {
        DecodeError::WrongMagic { found } => {
            problem.expected("434b4b53").found(data_encoding::HEXLOWER.encode(&found))
        }
        DecodeError::UnsupportedVersion { expected, found } => problem.expected(expected).found(found),
        DecodeError::WrongKind { expected, found } => problem.expected(expected.to_string()).found(found),
        DecodeError::WrongLength { expected, found } => problem.expected(expected).found(found),
        DecodeError::ParamsMismatch { expected, found } => {
            problem.expected(expected.to_string()).found(found.to_string())
        }
        DecodeError::LevelOutOfRange { max, found } => problem.expected(max.0).found(found.0),
        DecodeError::LevelMismatch { expected, found } => problem.expected(expected.0).found(found.0),
        DecodeError::ScaleMismatch { expected, found } => {
            problem.expected(expected.value()).found(found.value())
        }
        DecodeError::InvalidCount { max, found } => problem.expected(max).found(found),
        DecodeError::InvalidDroppedBits { max, found } => problem.expected(max).found(found),
        DecodeError::InvalidGaloisElement { found } => problem.found(found),
        DecodeError::ResidueOutOfRange { limb, index } => {
            problem.found(serde_json::json!({ "limb": limb, "index": index }))
        }
        DecodeError::ReservedNotZero { offset } => problem.found(serde_json::json!({ "offset": offset })),
        _ => problem,
    }
}

/// Makes a sentence of a message, which may end with a question already.
fn sentence(message: &str) -> String {
    let mut characters = message.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    let end = if message.ends_with('?') { "" } else { "." };
    first.chain(characters).chain(end.chars()).collect()
}
