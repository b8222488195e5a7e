//! Seeds and where fresh ones come from. Every random value of the scheme is expanded from a
//! 32-byte seed, so that results can be reproduced and public halves can be sent as a seed.

use chacha20::{
    ChaCha20,
    cipher::{KeyIvInit, StreamCipher},
};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// 32 bytes of which everything random is expanded; wiped when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Seed([u8; 32]);

impl Seed {
    /// Wraps 32 bytes, which must come from the operating system for real use.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes. Secret if the seed is.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl core::fmt::Debug for Seed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// A stream of independent seeds, itself expanded from one seed.
///
/// ChaCha20 (RFC 8439) under the seed with nonce `"seed source\0"`; each call takes the next
/// 32 bytes.
#[derive(ZeroizeOnDrop)]
pub struct SeedSource(ChaCha20);

impl SeedSource {
    /// Starts the stream of a seed.
    #[must_use]
    pub fn new(seed: &Seed) -> Self {
        Self(ChaCha20::new(&seed.0.into(), &(*b"seed source\0").into()))
    }

    /// Returns the next seed.
    pub fn next_seed(&mut self) -> Seed {
        let mut bytes = [0; 32];
        self.0.apply_keystream(&mut bytes);
        Seed(bytes)
    }
}

impl core::fmt::Debug for SeedSource {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SeedSource(..)")
    }
}
