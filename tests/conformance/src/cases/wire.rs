//! Where things are in a ciphertext or key, from `docs/wire-format.md`.

pub(super) const VERSION: usize = 4;
pub(super) const KIND: usize = 5;
pub(super) const ARGUMENT: usize = 8;
pub(super) const SCALE: usize = 12;
pub(super) const PARAMS_ID: usize = 20;
pub(super) const HEADER: usize = 52;
pub(super) const SEED: usize = 32;
pub(super) const CIPHERTEXT: u8 = 7;
