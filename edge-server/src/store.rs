//! The port that keeps everything that must survive a restart: jobs, key sets, keys, results and
//! idempotency records.
//!
//! Invariants every implementation keeps (`suite` tests them): a job's state moves forward only
//! and its outcome never changes; a stored key never changes; what another tenant owns does not
//! exist; what a call has acknowledged survives the process.

#[cfg(feature = "testing")]
pub mod suite;

use std::{collections::BTreeMap, fmt, future::Future};

use bytes::Bytes;

use crate::{
    id::{JobId, KeyName, KeySetId, ModelKey, TenantId},
    payload::Encoding,
    port::{MaybeSend, MaybeSync, Timestamp},
    problem::Code,
};

/// The store could not do what it was asked, for a reason that is not the caller's.
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
}

/// How far a job is.
#[derive(Clone, Debug, PartialEq)]
pub enum JobState {
    /// Accepted, waiting.
    Queued,
    /// Being evaluated.
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

/// What became of a record that may have been made before.
#[derive(Clone, Debug, PartialEq)]
pub enum Inserted {
    /// It is stored now.
    New,
    /// Its idempotency key was taken; nothing was stored.
    Remembered(Remembered),
}

/// Keeps what must survive a restart. See the module for the invariants.
pub trait Store: MaybeSend + MaybeSync {
    /// Stores a job with its inputs as queued, and its idempotency record in the same step.
    fn insert_job(
        &self,
        job: JobRequest,
        inputs: Vec<Bytes>,
        idempotency: Option<Idempotency>,
    ) -> impl Future<Output = Result<Inserted, StoreError>> + MaybeSend;

    /// Looks up a tenant's job.
    fn job(
        &self,
        tenant: &TenantId,
        id: JobId,
    ) -> impl Future<Output = Result<Option<Job>, StoreError>> + MaybeSend;

    /// Marks a job as running and returns it with its inputs, or `None` when it is final or unknown.
    fn start_job(
        &self,
        id: JobId,
    ) -> impl Future<Output = Result<Option<(JobRequest, Vec<Bytes>)>, StoreError>> + MaybeSend;

    /// Stores the outcome of a job and forgets its inputs. The first outcome stays.
    fn finish_job(
        &self,
        id: JobId,
        outcome: Result<Bytes, Failure>,
    ) -> impl Future<Output = Result<(), StoreError>> + MaybeSend;

    /// Lists the jobs that have no outcome, oldest first.
    fn unfinished_jobs(&self) -> impl Future<Output = Result<Vec<JobId>, StoreError>> + MaybeSend;

    /// Stores an empty key set, and its idempotency record in the same step.
    fn insert_key_set(
        &self,
        set: KeySet,
        idempotency: Option<Idempotency>,
    ) -> impl Future<Output = Result<Inserted, StoreError>> + MaybeSend;

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
}
