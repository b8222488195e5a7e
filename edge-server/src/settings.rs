//! What an operator can set about the service itself.

use std::time::Duration;

use crate::access::Access;

/// Settings of the service; hosts read them from wherever they read settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who may call.
    pub access: Access,
    /// Which web origins may call.
    pub origins: Origins,
    /// Longest wait that `Prefer: wait` gets.
    pub max_wait: Duration,
    /// Memory for prepared evaluation keys, in bytes.
    pub key_cache_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            access: Access::Open,
            origins: Origins::Any,
            max_wait: Duration::from_secs(30),
            key_cache_bytes: 1 << 30,
        }
    }
}

/// Web origins that may call the service from a page (CORS). Requests carry no cookies, so
/// allowing all of them gives a page nothing that its visitor's machine could not fetch itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// All of them.
    Any,
    /// These, as browsers write them: `https://example.org`.
    Only(Vec<String>),
}
