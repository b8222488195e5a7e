//! CKKS: parameters, encoding, encryption, evaluation.
//!
//! Source: Cheon, Kim, Kim, Song, "Homomorphic Encryption for Arithmetic of Approximate Numbers"
//! (eprint 2016/421); in residue form: Cheon et al., "A Full RNS Variant of Approximate
//! Homomorphic Encryption" (eprint 2018/931).

// parameters
mod error;
mod galois;
mod level;
mod params;
mod seed;
mod spec;
mod tables;

// data
mod ciphertext;
mod key_name;
mod keys;
mod sampling;

// operations
mod division;
mod embedding;
mod encoding;
mod encryption;
mod evaluator;
mod extended;
mod key_switch;
mod keygen;
mod lifting;
mod pairing;
mod products;
mod result;
mod switched_division;

// inner loops, for benchmarks
#[cfg(feature = "kernels")]
mod kernels;

pub use ciphertext::{
    Ciphertext, Plaintext, PreparedPlaintext, ResultCiphertexts, SeededCiphertext, TensorCiphertext,
};
pub use encoding::{Complex, Encoder};
pub use encryption::{decrypt, decrypt_real, encrypt_public, encrypt_symmetric};
pub use error::Error;
pub use evaluator::Evaluator;
pub(crate) use extended::ExtendedCiphertext;
pub use galois::GaloisElement;
#[cfg(feature = "kernels")]
#[doc(hidden)]
pub use kernels::Kernels;
pub use key_name::KeyName;
pub use key_switch::HoistedDigits;
pub use keys::{
    CompressedGaloisKey, CompressedRelinearizationKey, CompressedSwitchingKey, EvaluationKeys, GaloisKey,
    KeyRequirements, PublicKey, RelinearizationKey, SecretKey, SwitchingKey,
};
pub use level::{Level, Scale};
pub use params::{Params, ParamsId};
pub use seed::{Seed, SeedSource};
pub use spec::{ParamsError, ParamsSpec};
