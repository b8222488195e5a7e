//! A store that forgets everything with the process: for tests, and the slow, obvious twin that
//! durable stores are compared with.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;

use crate::{
    access::TokenRecord,
    id::{JobId, KeyName, KeySetId, TenantId, WorkerId},
    port::Timestamp,
    store::{
        Claim, Claimed, ClaimedJob, Failure, Full, Horizon, Idempotency, Inserted, Job, JobRequest, JobState,
        KeyQuota, KeySet, Made, PutKey, PutOff, QueueBounds, QueueLengths, Remembered, Store, StoreError,
        Swept, Usage,
        put_off::{self, Failed},
    },
};

/// Keeps everything in memory, behind one lock.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    jobs: BTreeMap<JobId, StoredJob>,
    /// Identifiers of jobs in the order of acceptance.
    accepted: Vec<JobId>,
    /// Tenants in the order of their last turn.
    turns: Vec<TenantId>,
    key_sets: HashMap<KeySetId, StoredKeySet>,
    remembered: HashMap<(TenantId, String), (Remembered, Timestamp)>,
    tokens: Vec<TokenRecord>,
}

#[derive(Debug)]
struct StoredJob {
    job: Job,
    inputs: Vec<Bytes>,
    starts: u32,
    failures: u32,
    midway: u32,
    not_before: Timestamp,
    /// Who has it, until when.
    lease: Option<(WorkerId, Timestamp)>,
    finished: Option<Timestamp>,
}

#[derive(Debug)]
struct StoredKeySet {
    set: KeySet,
    used: Timestamp,
    keys: BTreeMap<KeyName, Bytes>,
}

impl MemoryStore {
    /// Makes an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn recall(&self, tenant: &TenantId, key: &str) -> Option<Remembered> {
        let (remembered, _) = self.remembered.get(&(tenant.clone(), key.to_owned()))?;
        Some(remembered.clone())
    }

    fn remember(&mut self, tenant: &TenantId, idempotency: Option<Idempotency>, made: Made, now: Timestamp) {
        if let Some(Idempotency { key, fingerprint }) = idempotency {
            self.remembered.insert((tenant.clone(), key), (Remembered { fingerprint, made }, now));
        }
    }

    fn key_set(&mut self, tenant: &TenantId, id: KeySetId) -> Option<&mut StoredKeySet> {
        self.key_sets.get_mut(&id).filter(|stored| stored.set.tenant == *tenant)
    }

    /// A job that this worker has.
    fn running_job(&mut self, claim: Claim, id: JobId) -> Option<&mut StoredJob> {
        self.jobs.get_mut(&id).filter(|stored| {
            stored.job.state == JobState::Running
                && stored.lease.is_some_and(|(worker, _)| worker == claim.worker)
        })
    }

    /// Jobs that wait, oldest first.
    fn waiting(&self) -> impl Iterator<Item = &StoredJob> {
        let jobs = self.accepted.iter().filter_map(|id| self.jobs.get(id));
        jobs.filter(|stored| stored.job.state == JobState::Queued)
    }

    fn usage(&self, tenant: &TenantId) -> Usage {
        let sets = self.key_sets.values().map(|stored| &stored.set).filter(|set| set.tenant == *tenant);
        let waiting_jobs =
            self.waiting().filter(|stored| stored.job.request.tenant == *tenant).count() as u64;
        sets.fold(Usage { waiting_jobs, ..Usage::default() }, |usage, set| Usage {
            key_sets: usage.key_sets + 1,
            key_bytes: usage.key_bytes + set.announced,
            ..usage
        })
    }
}

impl Store for MemoryStore {
    type StagedKeys = BTreeMap<KeyName, Bytes>;

    async fn insert_job(
        &self,
        job: JobRequest,
        inputs: Vec<Bytes>,
        idempotency: Option<Idempotency>,
        bounds: QueueBounds,
    ) -> Result<Inserted<Full>, StoreError> {
        let mut state = self.state();
        if let Some(earlier) = idempotency.as_ref().and_then(|i| state.recall(&job.tenant, &i.key)) {
            return Ok(Inserted::Remembered(earlier));
        }
        if state.waiting().count() as u64 >= bounds.total {
            return Ok(Inserted::Refused(Full::Total));
        }
        if state.usage(&job.tenant).waiting_jobs >= bounds.tenant {
            return Ok(Inserted::Refused(Full::Tenant));
        }
        state.remember(&job.tenant, idempotency, Made::Job(job.id), job.accepted);
        if let Some(set) = job.key_set.and_then(|id| state.key_set(&job.tenant, id)) {
            set.used = job.accepted;
        }
        state.accepted.push(job.id);
        let id = job.id;
        let job = Job { request: job, state: JobState::Queued };
        let stored = StoredJob {
            job,
            inputs,
            starts: 0,
            failures: 0,
            midway: 0,
            not_before: Timestamp(0),
            lease: None,
            finished: None,
        };
        state.jobs.insert(id, stored);
        Ok(Inserted::New)
    }

    async fn job(&self, tenant: &TenantId, id: JobId) -> Result<Option<Job>, StoreError> {
        let state = self.state();
        let stored = state.jobs.get(&id).filter(|stored| stored.job.request.tenant == *tenant);
        Ok(stored.map(|StoredJob { job, lease, .. }| match (&job.state, lease) {
            (JobState::Queued, Some(_)) => Job { state: JobState::Running, ..job.clone() },
            _ => job.clone(),
        }))
    }

    async fn claim_job(&self, claim: Claim) -> Result<Claimed, StoreError> {
        let mut state = self.state();
        for stored in state.jobs.values_mut().filter(|stored| stored.job.state == JobState::Running) {
            if stored.lease.is_none_or(|(_, until)| until < claim.now) {
                stored.job.state = JobState::Queued;
            }
        }
        let turn = |tenant: &TenantId| state.turns.iter().position(|other| other == tenant);
        // Of those that are equal the first is taken, which is the oldest; `None` is before `Some`.
        let due = state.waiting().filter(|stored| put_off::is_due(stored.not_before, claim.now));
        let next = due.map(|stored| &stored.job.request).min_by_key(|job| turn(&job.tenant)).cloned();
        let Some(request) = next else {
            let first = state.waiting().map(|stored| stored.not_before).min();
            return Ok(Claimed::Nothing(first.map(|time| Duration::from_millis(time.0 - claim.now.0))));
        };
        state.turns.retain(|tenant| *tenant != request.tenant);
        state.turns.push(request.tenant.clone());
        let claimed = state.jobs.get_mut(&request.id).map(|stored| {
            stored.job.state = JobState::Running;
            stored.lease = Some((claim.worker, claim.now.after(claim.lease)));
            let (interrupted, failures, midway) = (stored.starts, stored.failures, stored.midway);
            stored.starts = interrupted.max(1);
            ClaimedJob { request, inputs: Some(stored.inputs.clone()), interrupted, failures, midway }
        });
        Ok(claimed.map_or(Claimed::Nothing(None), Claimed::Job))
    }

    async fn start_again(&self, claim: Claim, id: JobId) -> Result<bool, StoreError> {
        Ok(self.state().running_job(claim, id).map(|stored| stored.starts += 1).is_some())
    }

    async fn give_back(
        &self,
        claim: Claim,
        id: JobId,
        interrupted: u32,
        put_off: Option<PutOff>,
    ) -> Result<(), StoreError> {
        if let Some(stored) = self.state().running_job(claim, id) {
            stored.job.state = JobState::Queued;
            stored.starts = interrupted;
            if let Some(PutOff { failed, .. }) = put_off {
                stored.failures += 1;
                stored.midway += u32::from(failed == Failed::Midway);
            }
            stored.not_before = claim.now.after(put_off.map_or(Duration::ZERO, |put_off| put_off.delay));
        }
        Ok(())
    }

    async fn renew_leases(&self, claim: Claim, jobs: Vec<JobId>) -> Result<(), StoreError> {
        let mut state = self.state();
        for id in jobs {
            let lease = state.jobs.get_mut(&id).and_then(|stored| stored.lease.as_mut());
            if let Some((_, until)) = lease.filter(|(worker, _)| *worker == claim.worker) {
                *until = claim.now.after(claim.lease);
            }
        }
        Ok(())
    }

    async fn finish_job(
        &self,
        id: JobId,
        outcome: Result<Bytes, Failure>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        if let Some(stored) = state.jobs.get_mut(&id).filter(|stored| !stored.job.state.is_final()) {
            stored.inputs.clear();
            stored.finished = Some(at);
            stored.job.state = match outcome {
                Ok(result) => JobState::Completed { result },
                Err(failure) => JobState::Failed { failure },
            };
        }
        Ok(())
    }

    async fn delete_job(&self, tenant: &TenantId, id: JobId) -> Result<bool, StoreError> {
        let mut state = self.state();
        let owned = state.jobs.get(&id).is_some_and(|stored| stored.job.request.tenant == *tenant);
        if owned {
            state.jobs.remove(&id);
            state.accepted.retain(|accepted| *accepted != id);
        }
        Ok(owned)
    }

    async fn release_jobs(&self) -> Result<u64, StoreError> {
        let mut state = self.state();
        let running = state.jobs.values_mut().filter(|stored| stored.job.state == JobState::Running);
        Ok(running.map(|stored| stored.job.state = JobState::Queued).count() as u64)
    }

    async fn queue(&self) -> Result<QueueLengths, StoreError> {
        let state = self.state();
        let count = |wanted: JobState| state.jobs.values().filter(|s| s.job.state == wanted).count() as u64;
        Ok(QueueLengths { waiting: count(JobState::Queued), running: count(JobState::Running) })
    }

    async fn insert_key_set(
        &self,
        set: KeySet,
        idempotency: Option<Idempotency>,
        quota: KeyQuota,
    ) -> Result<Inserted<Usage>, StoreError> {
        let mut state = self.state();
        if let Some(earlier) = idempotency.as_ref().and_then(|i| state.recall(&set.tenant, &i.key)) {
            return Ok(Inserted::Remembered(earlier));
        }
        let usage = state.usage(&set.tenant);
        if !quota.allows(usage, set.announced) {
            return Ok(Inserted::Refused(usage));
        }
        state.remember(&set.tenant, idempotency, Made::KeySet(set.id), set.opened);
        let used = set.opened;
        state.key_sets.insert(set.id, StoredKeySet { set, used, keys: BTreeMap::new() });
        Ok(Inserted::New)
    }

    async fn key_set(&self, tenant: &TenantId, id: KeySetId) -> Result<Option<KeySet>, StoreError> {
        Ok(self.state().key_set(tenant, id).map(|stored| stored.set.clone()))
    }

    async fn put_key(
        &self,
        tenant: &TenantId,
        id: KeySetId,
        name: KeyName,
        bytes: Bytes,
    ) -> Result<PutKey, StoreError> {
        let mut state = self.state();
        let Some(stored) = state.key_set(tenant, id) else { return Ok(PutKey::NoSet) };
        if let Some(earlier) = stored.keys.get(&name) {
            return Ok(if *earlier == bytes { PutKey::Stored } else { PutKey::Conflict });
        }
        stored.set.present.insert(name, bytes.len() as u64);
        stored.keys.insert(name, bytes);
        Ok(PutKey::Stored)
    }

    async fn key(&self, tenant: &TenantId, id: KeySetId, name: KeyName) -> Result<Option<Bytes>, StoreError> {
        Ok(self.state().key_set(tenant, id).and_then(|stored| stored.keys.get(&name).cloned()))
    }

    async fn stage_keys(
        &self,
        tenant: &TenantId,
        id: KeySetId,
        names: Vec<KeyName>,
    ) -> Result<BTreeMap<KeyName, Bytes>, StoreError> {
        let mut state = self.state();
        let Some(stored) = state.key_set(tenant, id) else { return Ok(BTreeMap::new()) };
        Ok(names.into_iter().filter_map(|name| Some((name, stored.keys.get(&name)?.clone()))).collect())
    }

    async fn delete_key_set(&self, tenant: &TenantId, id: KeySetId) -> Result<bool, StoreError> {
        let mut state = self.state();
        let existed = state.key_set(tenant, id).is_some();
        if existed {
            state.key_sets.remove(&id);
        }
        Ok(existed)
    }

    async fn remembered(&self, tenant: &TenantId, key: &str) -> Result<Option<Remembered>, StoreError> {
        Ok(self.state().recall(tenant, key))
    }

    async fn usage(&self, tenant: &TenantId) -> Result<Usage, StoreError> {
        Ok(self.state().usage(tenant))
    }

    async fn token(&self, hash: [u8; 32]) -> Result<Option<TokenRecord>, StoreError> {
        Ok(self.state().tokens.iter().find(|token| token.hash == hash).cloned())
    }

    async fn insert_token(&self, token: TokenRecord) -> Result<(), StoreError> {
        self.state().tokens.push(token);
        Ok(())
    }

    async fn tokens(&self) -> Result<Vec<TokenRecord>, StoreError> {
        Ok(self.state().tokens.clone())
    }

    async fn delete_token(&self, hash: [u8; 32]) -> Result<bool, StoreError> {
        let mut state = self.state();
        let before = state.tokens.len();
        state.tokens.retain(|token| token.hash != hash);
        Ok(state.tokens.len() < before)
    }

    async fn sweep(&self, horizon: Horizon) -> Result<Swept, StoreError> {
        let mut state = self.state();
        let (jobs, key_sets) = (state.jobs.len(), state.key_sets.len());
        state.jobs.retain(|_, stored| stored.finished.is_none_or(|at| at >= horizon.finished));
        state.key_sets.retain(|_, stored| stored.used >= horizon.key_sets);
        state.remembered.retain(|_, (_, at)| *at >= horizon.finished);
        let State { jobs: kept, accepted, .. } = &mut *state;
        accepted.retain(|id| kept.contains_key(id));
        Ok(Swept { jobs: (jobs - kept.len()) as u64, key_sets: (key_sets - state.key_sets.len()) as u64 })
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::store::suite;

    #[test]
    fn passes_the_suite_of_stores() {
        futures_util::FutureExt::now_or_never(suite::run(&MemoryStore::new())).expect("never waits");
    }
}
