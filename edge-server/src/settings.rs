//! What an operator can set about the service itself.

use std::{collections::BTreeMap, time::Duration};

use crate::{access::Access, id::TenantId, store::KeyQuota};

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
    /// Memory for evaluations, in bytes; a job that needs more than is free waits.
    pub evaluation_bytes: usize,
    /// Memory for bodies that are being read, in bytes.
    pub body_bytes: usize,
    /// Longest silence within a body.
    pub body_silence: Duration,
    /// Longest time that a body may take.
    pub body_time: Duration,
    /// Jobs of all tenants that may wait.
    pub waiting_jobs: u64,
    /// Longest time from acceptance to result.
    pub job_time: Duration,
    /// How often a job may be started whose process ends, or be failed by the store in the middle of its evaluation,
    /// before it is given up.
    pub attempts: u32,
    /// How long a worker may be silent before its jobs are another's to take.
    pub lease: Duration,
    /// What each tenant may do.
    pub tenant: TenantLimits,
    /// What these tenants may do instead.
    pub tenants: BTreeMap<TenantId, TenantLimits>,
    /// How long results, failures and idempotency keys are kept.
    pub keep_results: Duration,
    /// How long key sets are kept that no job uses.
    pub keep_key_sets: Duration,
    /// Share of the traces begun here whose spans are exported, beside those that callers have begun and
    /// export; none of either if not set.
    pub traces: Option<f64>,
}

impl Default for Settings {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            access: Access::Open,
            origins: Origins::Any,
            max_wait: Duration::from_secs(30),
            key_cache_bytes: 1 << 30,
            evaluation_bytes: 1 << 30,
            body_bytes: 1 << 28,
            body_silence: Duration::from_secs(15),
            body_time: Duration::from_secs(300),
            waiting_jobs: 256,
            job_time: Duration::from_secs(60 * 60),
            attempts: 5,
            lease: Duration::from_secs(30),
            tenant: TenantLimits::default(),
            tenants: BTreeMap::new(),
            keep_results: DAY,
            keep_key_sets: 30 * DAY,
            traces: None,
        }
    }
}

impl Settings {
    /// What a tenant may do.
    #[must_use]
    pub fn limits_of(&self, tenant: &TenantId) -> &TenantLimits {
        self.tenants.get(tenant).unwrap_or(&self.tenant)
    }
}

/// What one tenant may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantLimits {
    /// Requests a minute; any number if not set.
    pub requests_per_minute: Option<u64>,
    /// Bytes of bodies a minute, requests and answers together; any number if not set.
    pub bytes_per_minute: Option<u64>,
    /// Jobs that may wait.
    pub waiting_jobs: u64,
    /// Key sets, and bytes of their keys.
    pub keys: KeyQuota,
}

impl Default for TenantLimits {
    fn default() -> Self {
        Self {
            requests_per_minute: None,
            bytes_per_minute: None,
            waiting_jobs: 64,
            keys: KeyQuota { key_sets: 10_000, key_bytes: 16 << 30 },
        }
    }
}

/// Web origins that may call the service from a page (CORS). Requests carry no cookies: where tokens are asked for,
/// a page can do nothing without one. Where access is open it can do what its visitor's machine can, on a network
/// that may be closed to everybody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// All of them.
    Any,
    /// These, as browsers write them: `https://example.org`.
    Only(Vec<String>),
}

impl Origins {
    /// As an operator lists them; `*` stands for all. Without a list all may call that have a token, none if access is
    /// open.
    #[must_use]
    pub fn of(listed: Vec<String>, open: bool) -> Self {
        let any = listed.iter().any(|origin| origin == "*") || (listed.is_empty() && !open);
        if any { Self::Any } else { Self::Only(listed) }
    }
}
