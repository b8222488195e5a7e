//! CKKS homomorphic encryption over 30-bit primes, without std.
//!
//! The client encrypts, whoever has the evaluation keys computes, the client decrypts:
//!
//! ```
//! use ckks_core::{
//!     CompressedGaloisKey, CompressedRelinearizationKey, Encoder, EvaluationKeys, Evaluator, GaloisElement,
//!     Params, ParamsSpec, SecretKey, Seed, SeedSource, decrypt_real, encrypt_symmetric,
//! };
//!
//! // 4,096 numbers in a ciphertext, two multiplications after each other; 128 bits of security are checked.
//! let (log_degree, scale) = (13, f64::from(1 << 28));
//! let (base, levels, special) = ([28, 30], [vec![28], vec![28]], [30, 30]);
//! let spec = ParamsSpec::generate(log_degree, &base, &levels, &special, 2, scale)?;
//! let params = Params::new(&spec)?;
//! let (encoder, evaluator) = (Encoder::new(&params), Evaluator::new(&params));
//!
//! // The client. The seed is the secret: take it from the operating system, and use it once.
//! let mut seeds = SeedSource::new(&Seed::new([7; 32]));
//! let secret = SecretKey::generate(&params, &seeds.next_seed());
//! let top = params.max_level();
//! let rotation = GaloisElement::rotation(&params, 1);
//! let mut keys = EvaluationKeys::new();
//! let key = CompressedRelinearizationKey::generate(&params, &secret, top, &mut seeds)?;
//! keys.set_relinearization(key.prepare(&params)?);
//! let key = CompressedGaloisKey::generate(&params, &secret, rotation, top, &mut seeds)?;
//! keys.insert_galois(key.prepare(&params)?);
//! let plaintext = encoder.encode_real(&[1.5, -2.0, 0.25], top, params.scale_at(top))?;
//! let x = encrypt_symmetric(&params, &secret, &plaintext, &mut seeds)?.expand(&params)?;
//!
//! // The server, which has `keys` and `x`: x² + rotate(x, 1)², one level down.
//! let square = |a| evaluator.multiply_relinearize_rescale(a, a, keys.relinearization()?);
//! let sum = evaluator.add(&square(&x)?, &square(&evaluator.rotate(&x, 1, &keys)?)?)?;
//!
//! // The client again.
//! let values = decrypt_real(&encoder, &secret, &sum)?;
//! assert!((values[0] - (1.5 * 1.5 + 2.0 * 2.0)).abs() < 1e-3);
//! assert!((values[1] - (2.0 * 2.0 + 0.25 * 0.25)).abs() < 1e-3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Whole models are [`Program`]s, which [`PreparedProgram`] evaluates. Decrypted numbers must not go back to
//! whoever evaluated: CKKS is not secure against that (IND-CPA-D).
//!
//! Modules in dependency order; each imports only from groups above it.
#![cfg_attr(not(any(test, feature = "std")), no_std)]

extern crate alloc;

// who shares the work
mod team;

// memory for secrets
mod wiped;

// integers modulo one prime, vectors of them
mod arithmetic;
mod lanes;

// pseudorandom words, many blocks at a time
mod key_stream;

// polynomials modulo several primes
mod ring;

// keys, ciphertexts, operations; and their bytes
mod scheme;
mod wire;

// programs over ciphertexts
mod circuits;

pub use arithmetic::Modulus;
pub use circuits::*;
pub use lanes::Backend;
pub use ring::{Coeff, Ntt, Poly, reusing_memory};
pub use scheme::*;
pub use team::{Alone, Team};
pub use wire::*;
