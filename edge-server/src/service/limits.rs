//! What a caller may do, and what it has.

use super::{Call, Reply, Service, store_failed};
use crate::{
    envelope::API_VERSION,
    message::{Allowance, LimitsView},
    port::Host,
    problem::Problem,
    store::Store,
};

impl<H: Host> Service<H> {
    /// `GET /limits`
    pub(super) async fn read_limits(&self, call: &Call) -> Result<Reply, Problem> {
        let usage = self.host.store().usage(&call.tenant).await.map_err(store_failed)?;
        let (settings, limits) = (&self.settings, self.limits_of(&call.tenant));
        let view = LimitsView {
            api_version: API_VERSION,
            requests_per_minute: limits.requests_per_minute,
            bytes_per_minute: limits.bytes_per_minute,
            waiting_jobs: Allowance { limit: limits.waiting_jobs, used: usage.waiting_jobs },
            key_sets: Allowance { limit: limits.keys.key_sets, used: usage.key_sets },
            key_bytes: Allowance { limit: limits.keys.key_bytes, used: usage.key_bytes },
            max_wait_seconds: settings.max_wait.as_secs(),
            job_seconds: settings.job_time.as_secs(),
            keep_results_seconds: settings.keep_results.as_secs(),
            keep_key_sets_seconds: settings.keep_key_sets.as_secs(),
        };
        Reply::json_or_cbor(call.media, &view)
    }
}
