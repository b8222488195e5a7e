//! What a service does besides answering: it starts, keeps its leases, forgets, and says how it is.

use std::time::Duration;

use super::{Reply, Service, phase::Step};
use crate::{
    envelope::API_VERSION,
    media::Media,
    message::Health,
    metrics::Levels,
    port::{Executor, Host},
    problem::{Code, Problem},
    store::{Claim, Horizon, Store, StoreError, Swept},
};

/// How long a caller should wait before he asks again whether the service is ready.
const READY_RETRY: Duration = Duration::from_secs(2);

impl<H: Host> Service<H> {
    /// Lets jobs run again that were being evaluated when the process before this one ended, says how
    /// many they are, and wakes the executor. To be called once, before any job runs.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn resume(&self) -> Result<u64, StoreError> {
        let released = self.host.store().release_jobs().await?;
        for _ in 0..self.host.executor().parallelism() {
            self.host.executor().wake();
        }
        Ok(released)
    }

    /// What this process claims jobs with.
    pub(super) fn claim(&self) -> Claim {
        Claim { worker: self.worker, lease: self.settings.lease, now: self.now() }
    }

    /// Renews the leases of the jobs that are evaluated here. To be called several times within
    /// [`Settings::lease`](crate::Settings::lease).
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn renew_leases(&self) -> Result<(), StoreError> {
        let jobs = self.running.jobs();
        if jobs.is_empty() {
            return Ok(());
        }
        self.host.store().renew_leases(self.claim(), jobs).await
    }

    /// Says from now on that the service is not ready: it is about to stop.
    pub fn drain(&self) {
        self.phase.enter(Step::Draining);
    }

    /// Starts no further job; those that run go on.
    pub fn cease(&self) {
        self.phase.enter(Step::Ceasing);
    }

    /// Stops the jobs that run at their next instruction and gives them back, so that they run at the
    /// next start, or elsewhere, as if they had not been started; no more waits for a store that fails.
    pub fn halt(&self) {
        self.phase.enter(Step::Halting);
    }

    /// Forgets results, failures, idempotency keys and key sets that have been kept long enough. To
    /// be called now and then.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sweep(&self) -> Result<Swept, StoreError> {
        let now = self.now();
        let horizon = Horizon {
            finished: now.before(self.settings.keep_results),
            key_sets: now.before(self.settings.keep_key_sets),
        };
        let swept = self.host.store().sweep(horizon).await?;
        if swept != Swept::default() {
            tracing::info!(jobs = swept.jobs, key_sets = swept.key_sets, "forgotten");
        }
        Ok(swept)
    }

    /// `GET /ready`
    pub(super) async fn ready(&self, media: Media) -> Result<Reply, Problem> {
        let refused = |detail: &str| Problem::new(Code::NotReady, detail).retry_after(READY_RETRY);
        if self.phase.has_come_to(Step::Draining) {
            return Err(refused("The server is about to stop."));
        }
        self.host.store().queue().await.map_err(|error| {
            tracing::warn!(reason = %error, "not ready");
            refused("The store does not answer.")
        })?;
        Reply::json_or_cbor(media, &Health { status: "ok", api_version: API_VERSION })
    }

    /// How full everything is. What the store does not tell is 0.
    pub(super) async fn levels(&self) -> Levels {
        Levels {
            queue: self.host.store().queue().await.unwrap_or_default(),
            key_cache_bytes: self.prepared_keys.bytes(),
            evaluation_bytes: self.evaluations.lent(),
            body_bytes: self.bodies.budget().lent(),
            busy_cores: self.host.executor().busy_cores().unwrap_or_default(),
            resident_bytes: self.host.resident_bytes().unwrap_or_default(),
        }
    }
}
