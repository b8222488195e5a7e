//! Integers modulo one prime.

mod modulus;
mod primes;

pub use modulus::{Modulus, ShoupFactor};
pub(crate) use primes::{is_prime, ntt_primes_near};
