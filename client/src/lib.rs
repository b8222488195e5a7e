//! Client side of encrypted inference: keys, encryption, decryption.
//!
//! Owns the secret and everything that depends on it; knows no network. The same code runs in the
//! browser, in tests, in the compiler's verification and in benchmarks.

// what a server publishes about a model
mod spec;

// what is applied to decrypted values
mod postprocess;

// what can go wrong
mod error;

// the secret key and what is done with it
mod session;

pub use ckks_core::KeyName;
pub use error::ClientError;
pub use postprocess::{Postprocessing, argmax};
pub use session::{EncryptedInput, Session};
pub use spec::{
    ConstraintsSpec, EvaluationKeySpec, GaloisSpec, InputSpec, LayoutAxisSpec, LayoutSpec, ModelSpec,
    OutputSpec, ParameterSpec, RelinearizationSpec,
};
