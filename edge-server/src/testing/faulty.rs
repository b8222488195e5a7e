//! A store that fails when it is told to.

use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
};

use bytes::Bytes;

use crate::{
    access::TokenRecord,
    id::{JobId, KeyName, KeySetId, TenantId},
    port::Timestamp,
    store::{
        Claim, Claimed, ClaimedJob, Failure, Full, Horizon, Idempotency, Inserted, Job, JobRequest, KeyQuota,
        KeySet, PutKey, PutOff, QueueBounds, QueueLengths, Remembered, StagedKeys, Store, StoreError, Swept,
        Usage,
    },
};

/// Passes every call on to another store, unless it is to fail.
#[derive(Debug, Default)]
pub struct FaultyStore<S> {
    inner: S,
    fails: AtomicBool,
    failing_outcomes: AtomicUsize,
    failing_keys: AtomicUsize,
    failing_inputs: AtomicUsize,
    failing_staged_key: Arc<Mutex<Option<KeyName>>>,
    key_reads: AtomicUsize,
    staged_reads: Arc<AtomicUsize>,
    silent_set: Mutex<Option<KeySetId>>,
}

impl<S> FaultyStore<S> {
    /// Makes every call fail, or none.
    pub fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::Relaxed);
    }

    /// Makes the next calls fail that store an outcome.
    pub fn fail_next_outcomes(&self, count: usize) {
        self.failing_outcomes.store(count, Ordering::Relaxed);
    }

    /// Gives the next jobs without their inputs.
    pub fn fail_next_inputs(&self, count: usize) {
        self.failing_inputs.store(count, Ordering::Relaxed);
    }

    /// Makes the next calls fail that read a key.
    pub fn fail_next_keys(&self, count: usize) {
        self.failing_keys.store(count, Ordering::Relaxed);
    }

    /// Makes every call fail that reads this key where keys are staged.
    pub fn fail_staged_key(&self, name: Option<KeyName>) {
        *self.failing_staged_key.lock().unwrap_or_else(PoisonError::into_inner) = name;
    }

    /// How often a key was read where keys are staged.
    pub fn staged_reads(&self) -> usize {
        self.staged_reads.load(Ordering::Relaxed)
    }

    /// How often it has been asked for a key.
    pub fn key_reads(&self) -> usize {
        self.key_reads.load(Ordering::Relaxed)
    }

    /// Does not answer when it is asked for a key of this set, until it is told otherwise: whoever asks is in
    /// the middle of a job, and ends there when it is dropped, as a process does.
    pub fn be_silent_about(&self, set: Option<KeySetId>) {
        *self.silent_set.lock().unwrap_or_else(PoisonError::into_inner) = set;
    }

    fn is_silent_about(&self, set: KeySetId) -> bool {
        *self.silent_set.lock().unwrap_or_else(PoisonError::into_inner) == Some(set)
    }

    fn inner(&self) -> Result<&S, StoreError> {
        if self.fails.load(Ordering::Relaxed) {
            Err(StoreError::new("told to fail"))
        } else {
            Ok(&self.inner)
        }
    }

    fn inner_unless(&self, failing: &AtomicUsize) -> Result<&S, StoreError> {
        let take = |left: usize| left.checked_sub(1);
        match failing.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(_) => Err(StoreError::new("told to fail this time")),
            Err(_) => self.inner(),
        }
    }

    fn inner_for_outcome(&self) -> Result<&S, StoreError> {
        self.inner_unless(&self.failing_outcomes)
    }
}

/// Keys of a store that fails when it is told to.
#[derive(Debug)]
pub struct FaultyKeys<K> {
    inner: K,
    failing: Arc<Mutex<Option<KeyName>>>,
    reads: Arc<AtomicUsize>,
}

impl<K: StagedKeys> StagedKeys for FaultyKeys<K> {
    fn key(&self, name: KeyName) -> Result<Option<Bytes>, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if *self.failing.lock().unwrap_or_else(PoisonError::into_inner) == Some(name) {
            return Err(StoreError::new("told to fail for this key"));
        }
        self.inner.key(name)
    }
}

/// Writes methods that pass on.
macro_rules! passed_on {
    ($($through:ident $name:ident($($argument:ident: $type:ty),*) -> $output:ty;)+) => {
        $(async fn $name(&self, $($argument: $type),*) -> Result<$output, StoreError> {
            self.$through()?.$name($($argument),*).await
        })+
    };
}

impl<S: Store> Store for FaultyStore<S> {
    type StagedKeys = FaultyKeys<S::StagedKeys>;

    async fn stage_keys(
        &self,
        tenant: &TenantId,
        id: KeySetId,
        names: Vec<KeyName>,
    ) -> Result<Self::StagedKeys, StoreError> {
        let inner = self.inner_unless(&self.failing_keys)?.stage_keys(tenant, id, names).await?;
        let (failing, reads) = (Arc::clone(&self.failing_staged_key), Arc::clone(&self.staged_reads));
        Ok(FaultyKeys { inner, failing, reads })
    }

    async fn claim_job(&self, claim: Claim) -> Result<Claimed, StoreError> {
        let claimed = self.inner()?.claim_job(claim).await?;
        let Claimed::Job(job) = claimed else { return Ok(claimed) };
        let inputs = if self.inner_unless(&self.failing_inputs).is_ok() { job.inputs } else { None };
        Ok(Claimed::Job(ClaimedJob { inputs, ..job }))
    }

    async fn key(&self, tenant: &TenantId, id: KeySetId, name: KeyName) -> Result<Option<Bytes>, StoreError> {
        self.key_reads.fetch_add(1, Ordering::Relaxed);
        poll_fn(|context| {
            context.waker().wake_by_ref();
            if self.is_silent_about(id) { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        self.inner_unless(&self.failing_keys)?.key(tenant, id, name).await
    }

    passed_on! {
        inner insert_job(
            job: JobRequest, inputs: Vec<Bytes>, idempotency: Option<Idempotency>, bounds: QueueBounds
        ) -> Inserted<Full>;
        inner job(tenant: &TenantId, id: JobId) -> Option<Job>;
        inner start_again(claim: Claim, id: JobId) -> bool;
        inner give_back(claim: Claim, id: JobId, interrupted: u32, put_off: Option<PutOff>) -> ();
        inner renew_leases(claim: Claim, jobs: Vec<JobId>) -> ();
        inner_for_outcome finish_job(id: JobId, outcome: Result<Bytes, Failure>, at: Timestamp) -> ();
        inner delete_job(tenant: &TenantId, id: JobId) -> bool;
        inner release_jobs() -> u64;
        inner queue() -> QueueLengths;
        inner insert_key_set(set: KeySet, idempotency: Option<Idempotency>, quota: KeyQuota) -> Inserted<Usage>;
        inner key_set(tenant: &TenantId, id: KeySetId) -> Option<KeySet>;
        inner put_key(tenant: &TenantId, id: KeySetId, name: KeyName, bytes: Bytes) -> PutKey;
        inner delete_key_set(tenant: &TenantId, id: KeySetId) -> bool;
        inner remembered(tenant: &TenantId, key: &str) -> Option<Remembered>;
        inner usage(tenant: &TenantId) -> Usage;
        inner token(hash: [u8; 32]) -> Option<TokenRecord>;
        inner insert_token(token: TokenRecord) -> ();
        inner tokens() -> Vec<TokenRecord>;
        inner delete_token(hash: [u8; 32]) -> bool;
        inner sweep(horizon: Horizon) -> Swept;
    }
}
