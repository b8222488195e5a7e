//! Bytes of parameters, keys and ciphertexts: packed, canonical, strictly decoded. Normative
//! description: `docs/wire-format.md`.
//!
//! Every decoder checks the whole header and the exact length before it allocates, then every
//! residue. Decoding and encoding again gives the same bytes.

mod error;
mod header;
mod packing;

mod ciphertext;
mod keys;
mod params;
mod result;

#[cfg(feature = "kernels")]
mod kernels;

pub use error::DecodeError;
pub use header::{Kind, identify};
pub(crate) use params::encode_params;
