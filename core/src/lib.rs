//! CKKS homomorphic encryption over 30-bit primes, without std.
//!
//! Modules in dependency order; each imports only from groups above it.
#![cfg_attr(not(any(test, feature = "std")), no_std)]

extern crate alloc;

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

// inner loops, for benchmarks
#[cfg(feature = "kernels")]
mod kernels;

pub use arithmetic::Modulus;
pub use circuits::*;
#[cfg(feature = "kernels")]
#[doc(hidden)]
pub use kernels::Kernels;
pub use lanes::Backend;
pub use ring::{Coeff, Ntt, Poly};
pub use scheme::*;
pub use wire::*;
