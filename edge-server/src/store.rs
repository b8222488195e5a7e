//! The port that keeps everything that must survive a restart: jobs, key sets, keys, results,
//! tokens and idempotency records. It is the queue as well: what waits is what is stored as waiting.
//!
//! Invariants every implementation keeps (`suite` tests them): a job's state moves forward only
//! and its outcome never changes; a stored key never changes; what another tenant owns does not
//! exist; bounds hold however many calls run at once; tenants take turns; what a call has
//! acknowledged survives the process.

pub mod put_off;
mod staged;
#[cfg(feature = "testing")]
pub mod suite;

use std::{collections::BTreeMap, fmt, future::Future, ops::AddAssign, time::Duration};

use bytes::Bytes;

pub use self::{put_off::PutOff, staged::StagedKeys};
use crate::{
    access::TokenRecord,
    id::{JobId, KeyName, KeySetId, ModelKey, TenantId, WorkerId},
    payload::Encoding,
    port::{MaybeSend, MaybeSync, Timestamp},
    problem::Code,
    trace::TraceContext,
};

/// The store could not do what it was asked, for a reason that is not the caller's: no disk left,
/// no connection, a damaged file. What was asked has not happened, or may have; asking again is safe.
#[derive(Debug)]
pub struct StoreError(Box<dyn std::error::Error + Send + Sync>);

impl StoreError {
    /// Wraps the reason of an implementation.
    pub fn new(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "store: {}", self.0)
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

/// What a job is to compute. Never changes.
#[derive(Clone, Debug, PartialEq)]
pub struct JobRequest {
    /// The job.
    pub id: JobId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The model to evaluate.
    pub model: ModelKey,
    /// The evaluation keys, if the model needs any.
    pub key_set: Option<KeySetId>,
    /// Number of samples.
    pub batch_size: u32,
    /// How the caller wrote its payloads and reads its result.
    pub encoding: Encoding,
    /// When it was accepted.
    pub accepted: Timestamp,
    /// When its answer is worth nothing any more.
    pub deadline: Timestamp,
    /// The span of the request that it came with, if that is exported.
    pub trace: Option<TraceContext>,
}

/// How many jobs may wait. A job that runs does not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueBounds {
    /// Of all tenants together.
    pub total: u64,
    /// Of the tenant whose job it is.
    pub tenant: u64,
}

/// Whose bound is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// That of all tenants together.
    Total,
    /// The tenant's own.
    Tenant,
}

/// Who takes a job, and for how long it is his.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The one who takes it.
    pub worker: WorkerId,
    /// After this time without [`Store::renew_leases`] the job is another's to take.
    pub lease: Duration,
    /// The time, for stores that have no clock of their own.
    pub now: Timestamp,
}

/// A job that was taken.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimedJob {
    /// What it computes.
    pub request: JobRequest,
    /// Its inputs in the wire format; nothing if they cannot be read now, and may be later.
    pub inputs: Option<Vec<Bytes>>,
    /// How often it was started before; each time the process ended.
    pub interrupted: u32,
    /// How often the store has failed it.
    pub failures: u32,
    /// How many of these were in the middle of its evaluation.
    pub midway: u32,
}

/// What a claim comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Claimed {
    /// A job, which is the worker's now.
    Job(ClaimedJob),
    /// No job may be taken. If some only wait for their time, this is how long until the first of them may be.
    Nothing(Option<Duration>),
}

impl Claimed {
    /// The job, if there is one.
    #[must_use]
    pub fn job(self) -> Option<ClaimedJob> {
        match self {
            Self::Job(job) => Some(job),
            Self::Nothing(_) => None,
        }
    }
}

/// How far a job is.
#[derive(Clone, Debug, PartialEq)]
pub enum JobState {
    /// Accepted, waiting.
    Queued,
    /// Being evaluated; or taken for that once, and waiting again: for whoever asks, a job does not go back.
    Running,
    /// Done.
    Completed {
        /// The encrypted result in the wire format.
        result: Bytes,
    },
    /// Could not be evaluated.
    Failed {
        /// Why.
        failure: Failure,
    },
}

impl JobState {
    /// Tells whether the state is final.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Completed { .. } | Self::Failed { .. })
    }
}

/// Why an accepted job failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The code of the problem.
    pub code: Code,
    /// The sentence for people.
    pub detail: String,
}

/// A job with its state.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// What it computes.
    pub request: JobRequest,
    /// How far it is.
    pub state: JobState,
}

/// A set of evaluation keys, opened for one model.
#[derive(Clone, Debug, PartialEq)]
pub struct KeySet {
    /// The set.
    pub id: KeySetId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The model it is for.
    pub model: ModelKey,
    /// When it was opened.
    pub opened: Timestamp,
    /// Bytes of all the keys that it will have.
    pub announced: u64,
    /// Lengths in bytes of the keys that are here.
    pub present: BTreeMap<KeyName, u64>,
}

/// What became of an uploaded key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutKey {
    /// Stored now, or before with the same bytes.
    Stored,
    /// Other bytes are stored under this name.
    Conflict,
    /// The set does not exist (any more).
    NoSet,
}

/// Remembers which answer an `Idempotency-Key` got.
#[derive(Clone, Debug, PartialEq)]
pub struct Idempotency {
    /// The header's value.
    pub key: String,
    /// SHA-256 of the request it came with.
    pub fingerprint: [u8; 32],
}

/// What an idempotent request made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// A job.
    Job(JobId),
    /// A key set.
    KeySet(KeySetId),
}

/// What is remembered of an earlier request.
#[derive(Clone, Debug, PartialEq)]
pub struct Remembered {
    /// Fingerprint of that request.
    pub fingerprint: [u8; 32],
    /// What it made.
    pub made: Made,
}

/// What became of a job or key set that was to be stored. `R` is the bound that it can break.
#[derive(Clone, Debug, PartialEq)]
pub enum Inserted<R> {
    /// It is stored now.
    New,
    /// Its idempotency key was taken; nothing was stored.
    Remembered(Remembered),
    /// There is no room for it; nothing was stored.
    Refused(R),
}

/// What a tenant has in the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Key sets, complete or not.
    pub key_sets: u64,
    /// Bytes of the keys that these sets have or will have.
    pub key_bytes: u64,
    /// Jobs that wait.
    pub waiting_jobs: u64,
}

/// What a tenant may have in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyQuota {
    /// Key sets, complete or not.
    pub key_sets: u64,
    /// Bytes of the keys that these sets have or will have.
    pub key_bytes: u64,
}

impl KeyQuota {
    /// Tells whether a further set fits beside what is there.
    #[must_use]
    pub fn allows(&self, usage: Usage, announced: u64) -> bool {
        usage.key_sets < self.key_sets && usage.key_bytes.saturating_add(announced) <= self.key_bytes
    }
}

/// How many jobs there are without an outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueLengths {
    /// Jobs that wait.
    pub waiting: u64,
    /// Jobs that somebody evaluates.
    pub running: u64,
}

/// What has been kept long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizon {
    /// Finished jobs and idempotency records of before are forgotten.
    pub finished: Timestamp,
    /// Key sets that no job has used since are forgotten.
    pub key_sets: Timestamp,
}

/// How much was forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Finished jobs.
    pub jobs: u64,
    /// Key sets.
    pub key_sets: u64,
}

impl AddAssign for Swept {
    fn add_assign(&mut self, other: Self) {
        self.jobs += other.jobs;
        self.key_sets += other.key_sets;
    }
}

/// Keeps what must survive a restart. See the module for the invariants.
pub trait Store: MaybeSend + MaybeSync {
    /// Where [`Self::stage_keys`] brings keys.
    type StagedKeys: StagedKeys + MaybeSend;

    /// Tells whether other processes use it too, so that what they do has to be looked for.
    fn is_shared(&self) -> bool {
        false
    }

    /// Stores a job with its inputs as waiting, and its idempotency record in the same step; notes
    /// that its key set is in use.
    fn insert_job(
        &self,
        job: JobRequest,
        inputs: Vec<Bytes>,
        idempotency: Option<Idempotency>,
        bounds: QueueBounds,
    ) -> impl Future<Output = Result<Inserted<Full>, StoreError>> + MaybeSend;

    /// Looks up a tenant's job.
    fn job(
        &self,
        tenant: &TenantId,
        id: JobId,
    ) -> impl Future<Output = Result<Option<Job>, StoreError>> + MaybeSend;

    /// Takes a job that waits, or whose worker has let its lease run out, and marks it as running.
    ///
    /// Tenants take turns: next is the one whose last turn is longest ago, with the oldest of its
    /// jobs. One that was given back to wait for its time is passed over until then, and has its place again
    /// afterwards ([`put_off`]). A job that was never started counts as started from now on; a further start
    /// is counted by [`Self::start_again`].
    fn claim_job(&self, claim: Claim) -> impl Future<Output = Result<Claimed, StoreError>> + MaybeSend;

    /// Counts a further start of a job that was interrupted before, just before it starts; tells
    /// whether the job is still this worker's.
    fn start_again(
        &self,
        claim: Claim,
        id: JobId,
    ) -> impl Future<Output = Result<bool, StoreError>> + MaybeSend;

    /// Takes a claim back as if it had not been, unless the job is not this worker's any more: it waits
    /// again, and was started as often as [`ClaimedJob::interrupted`] said. If that is because the store has
    /// failed it, this is counted in [`ClaimedJob::failures`] and [`ClaimedJob::midway`], and nobody takes it
    /// before its delay is over.
    fn give_back(
        &self,
        claim: Claim,
        id: JobId,
        interrupted: u32,
        put_off: Option<PutOff>,
    ) -> impl Future<Output = Result<(), StoreError>> + MaybeSend;

    /// Renews the leases of jobs that a worker has.
    fn renew_leases(
        &self,
        claim: Claim,
        jobs: Vec<JobId>,
    ) -> impl Future<Output = Result<(), StoreError>> + MaybeSend;

    /// Stores the outcome of a job and forgets its inputs. The first outcome stays.
    fn finish_job(
        &self,
        id: JobId,
        outcome: Result<Bytes, Failure>,
        at: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + MaybeSend;

    /// Deletes a tenant's job, whatever its state; tells whether it existed.
    fn delete_job(
        &self,
        tenant: &TenantId,
        id: JobId,
    ) -> impl Future<Output = Result<bool, StoreError>> + MaybeSend;

    /// Makes jobs wait again whose worker is known to be gone, and counts them. Called once, at
    /// the start; a store that several processes share knows of none and leaves them to their leases.
    fn release_jobs(&self) -> impl Future<Output = Result<u64, StoreError>> + MaybeSend;

    /// Counts the jobs without an outcome.
    fn queue(&self) -> impl Future<Output = Result<QueueLengths, StoreError>> + MaybeSend;

    /// Stores an empty key set, and its idempotency record in the same step.
    fn insert_key_set(
        &self,
        set: KeySet,
        idempotency: Option<Idempotency>,
        quota: KeyQuota,
    ) -> impl Future<Output = Result<Inserted<Usage>, StoreError>> + MaybeSend;

    /// Looks up a tenant's key set.
    fn key_set(
        &self,
        tenant: &TenantId,
        id: KeySetId,
    ) -> impl Future<Output = Result<Option<KeySet>, StoreError>> + MaybeSend;

    /// Stores one key of a tenant's set.
    fn put_key(
        &self,
        tenant: &TenantId,
        id: KeySetId,
        name: KeyName,
        bytes: Bytes,
    ) -> impl Future<Output = Result<PutKey, StoreError>> + MaybeSend;

    /// Reads one key of a tenant's set.
    fn key(
        &self,
        tenant: &TenantId,
        id: KeySetId,
        name: KeyName,
    ) -> impl Future<Output = Result<Option<Bytes>, StoreError>> + MaybeSend;

    /// Brings these keys of a tenant's set to where an evaluation reads them without waiting, as far as the set has
    /// them.
    fn stage_keys(
        &self,
        tenant: &TenantId,
        id: KeySetId,
        names: Vec<KeyName>,
    ) -> impl Future<Output = Result<Self::StagedKeys, StoreError>> + MaybeSend;

    /// Deletes a tenant's key set with its keys; tells whether it existed.
    fn delete_key_set(
        &self,
        tenant: &TenantId,
        id: KeySetId,
    ) -> impl Future<Output = Result<bool, StoreError>> + MaybeSend;

    /// Looks up what a tenant's earlier request with this idempotency key made.
    fn remembered(
        &self,
        tenant: &TenantId,
        key: &str,
    ) -> impl Future<Output = Result<Option<Remembered>, StoreError>> + MaybeSend;

    /// Counts what a tenant has.
    fn usage(&self, tenant: &TenantId) -> impl Future<Output = Result<Usage, StoreError>> + MaybeSend;

    /// Finds a token by the SHA-256 of its secret.
    fn token(
        &self,
        hash: [u8; 32],
    ) -> impl Future<Output = Result<Option<TokenRecord>, StoreError>> + MaybeSend;

    /// Stores a token.
    fn insert_token(&self, token: TokenRecord) -> impl Future<Output = Result<(), StoreError>> + MaybeSend;

    /// Lists all tokens, oldest first.
    fn tokens(&self) -> impl Future<Output = Result<Vec<TokenRecord>, StoreError>> + MaybeSend;

    /// Deletes the token whose hash this is; tells whether it existed.
    fn delete_token(&self, hash: [u8; 32]) -> impl Future<Output = Result<bool, StoreError>> + MaybeSend;

    /// Forgets what has been kept long enough, in steps between which others write: leases are renewed
    /// meanwhile.
    fn sweep(&self, horizon: Horizon) -> impl Future<Output = Result<Swept, StoreError>> + MaybeSend;
}
