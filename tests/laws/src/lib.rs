//! What every decoder must do with any bytes: refuse them, or read a value that is written back as it was.
//!
//! The fuzz targets in `fuzz/` call these laws on bytes that they invent; the tests here call them on the
//! committed corpora, so that what was found once is looked at for ever, on any compiler.

#![allow(clippy::unwrap_used)]

// right bytes to start from
mod seeds;

// the laws
mod documents;
mod models;
mod wire;

pub use seeds::seeds;

/// One decoder and its law.
#[derive(Clone, Copy, Debug)]
pub struct Law {
    /// The name of the fuzz target and of its folder in `fuzz/corpus`.
    pub name: &'static str,
    /// Panics when the law is broken.
    pub check: fn(&[u8]),
}

/// All laws.
pub const LAWS: &[Law] = &[
    Law { name: "params", check: wire::params },
    Law { name: "secret_key", check: wire::secret_key },
    Law { name: "public_key", check: wire::public_key },
    Law { name: "relinearization_key", check: wire::relinearization_key },
    Law { name: "galois_key", check: wire::galois_key },
    Law { name: "seeded_ciphertext", check: wire::seeded_ciphertext },
    Law { name: "ciphertext", check: wire::ciphertext },
    Law { name: "result", check: wire::result },
    Law { name: "json", check: documents::json },
    Law { name: "cbor", check: documents::cbor },
    Law { name: "package", check: models::package },
    #[cfg(feature = "onnx")]
    Law { name: "onnx", check: models::onnx },
];

/// Checks bytes against a law.
///
/// # Panics
/// When there is no law of this name, or it is broken.
pub fn check(name: &str, bytes: &[u8]) {
    let law = LAWS.iter().find(|law| law.name == name).unwrap_or_else(|| panic!("no law {name}"));
    (law.check)(bytes);
}
