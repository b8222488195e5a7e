//! Seeds and where fresh ones come from. Every random value of the scheme is expanded from a
//! 32-byte seed, so that results can be reproduced and public halves can be sent as a seed.

use chacha20::{
    ChaCha20,
    cipher::{KeyIvInit, StreamCipher},
};
use sha2::{Digest, Sha256};
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
/// The n-th seed is the start of the ChaCha20 (RFC 8439) key stream under the source's seed with
/// nonce `"seed" ‖ n`, n as 64 bits little-endian.
#[derive(ZeroizeOnDrop)]
pub struct SeedSource {
    seed: Seed,
    #[zeroize(skip)]
    next: u64,
}

impl SeedSource {
    /// Starts the stream of a seed, at its beginning.
    ///
    /// Never start two streams of one seed for encryption: both would give the same first seeds, and two
    /// ciphertexts of one seed show the difference of their messages. A seed is for one source, and comes from
    /// the operating system; fixed ones are for tests and vectors.
    #[must_use]
    pub fn new(seed: &Seed) -> Self {
        Self { seed: seed.clone(), next: 0 }
    }

    /// Mixes fresh randomness in: the stream goes on from SHA-256 of its next seed and `fresh`.
    ///
    /// Two copies of a source, as after a process was copied or a snapshot resumed twice, give different seeds
    /// from then on.
    pub fn mix(&mut self, fresh: &Seed) {
        let next = self.next_seed();
        let digest = Sha256::new().chain_update(next.0).chain_update(fresh.0);
        *self = Self { seed: Seed(digest.finalize().into()), next: 0 };
    }

    /// Returns the next seed.
    pub fn next_seed(&mut self) -> Seed {
        let mut nonce = *b"seed\0\0\0\0\0\0\0\0";
        nonce[4..].copy_from_slice(&self.next.to_le_bytes());
        self.next += 1;
        let mut seed = Seed([0; 32]);
        ChaCha20::new(&self.seed.0.into(), &nonce.into()).apply_keystream(&mut seed.0);
        seed
    }
}

impl core::fmt::Debug for SeedSource {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SeedSource(..)")
    }
}
