//! Integers modulo one prime.

mod modulus;
mod primes;

pub use modulus::Modulus;
pub(crate) use modulus::ShoupFactor;
pub(crate) use primes::{is_prime, ntt_primes_near};
