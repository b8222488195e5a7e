//! A store that forgets everything with the process: for tests, and the slow, obvious twin that
//! durable stores are compared with.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

use crate::{
    id::{JobId, KeyName, KeySetId, TenantId},
    store::{
        Failure, Idempotency, Inserted, Job, JobRequest, JobState, KeySet, Made, PutKey, Remembered, Store,
        StoreError,
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
    key_sets: HashMap<KeySetId, StoredKeySet>,
    remembered: HashMap<(TenantId, String), Remembered>,
}

#[derive(Debug)]
struct StoredJob {
    job: Job,
    inputs: Vec<Bytes>,
}

#[derive(Debug)]
struct StoredKeySet {
    set: KeySet,
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
    /// Notes an idempotent request, unless its key is taken.
    fn remember(&mut self, tenant: &TenantId, idempotency: Option<Idempotency>, made: Made) -> Inserted {
        let Some(Idempotency { key, fingerprint }) = idempotency else { return Inserted::New };
        let slot = (tenant.clone(), key);
        if let Some(earlier) = self.remembered.get(&slot) {
            return Inserted::Remembered(earlier.clone());
        }
        self.remembered.insert(slot, Remembered { fingerprint, made });
        Inserted::New
    }

    fn key_set(&mut self, tenant: &TenantId, id: KeySetId) -> Option<&mut StoredKeySet> {
        self.key_sets.get_mut(&id).filter(|stored| stored.set.tenant == *tenant)
    }
}

impl Store for MemoryStore {
    async fn insert_job(
        &self,
        job: JobRequest,
        inputs: Vec<Bytes>,
        idempotency: Option<Idempotency>,
    ) -> Result<Inserted, StoreError> {
        let mut state = self.state();
        let inserted = state.remember(&job.tenant, idempotency, Made::Job(job.id));
        if inserted == Inserted::New {
            state.accepted.push(job.id);
            state
                .jobs
                .insert(job.id, StoredJob { job: Job { request: job, state: JobState::Queued }, inputs });
        }
        Ok(inserted)
    }

    async fn job(&self, tenant: &TenantId, id: JobId) -> Result<Option<Job>, StoreError> {
        let state = self.state();
        Ok(state.jobs.get(&id).map(|stored| &stored.job).filter(|job| job.request.tenant == *tenant).cloned())
    }

    async fn start_job(&self, id: JobId) -> Result<Option<(JobRequest, Vec<Bytes>)>, StoreError> {
        let mut state = self.state();
        let stored = state.jobs.get_mut(&id).filter(|stored| !stored.job.state.is_final());
        Ok(stored.map(|stored| {
            stored.job.state = JobState::Running;
            (stored.job.request.clone(), stored.inputs.clone())
        }))
    }

    async fn finish_job(&self, id: JobId, outcome: Result<Bytes, Failure>) -> Result<(), StoreError> {
        let mut state = self.state();
        if let Some(stored) = state.jobs.get_mut(&id).filter(|stored| !stored.job.state.is_final()) {
            stored.inputs.clear();
            stored.job.state = match outcome {
                Ok(result) => JobState::Completed { result },
                Err(failure) => JobState::Failed { failure },
            };
        }
        Ok(())
    }

    async fn unfinished_jobs(&self) -> Result<Vec<JobId>, StoreError> {
        let state = self.state();
        Ok(state.accepted.iter().filter(|id| !state.jobs[*id].job.state.is_final()).copied().collect())
    }

    async fn insert_key_set(
        &self,
        set: KeySet,
        idempotency: Option<Idempotency>,
    ) -> Result<Inserted, StoreError> {
        let mut state = self.state();
        let inserted = state.remember(&set.tenant, idempotency, Made::KeySet(set.id));
        if inserted == Inserted::New {
            state.key_sets.insert(set.id, StoredKeySet { set, keys: BTreeMap::new() });
        }
        Ok(inserted)
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

    async fn delete_key_set(&self, tenant: &TenantId, id: KeySetId) -> Result<bool, StoreError> {
        let mut state = self.state();
        let existed = state.key_set(tenant, id).is_some();
        if existed {
            state.key_sets.remove(&id);
        }
        Ok(existed)
    }

    async fn remembered(&self, tenant: &TenantId, key: &str) -> Result<Option<Remembered>, StoreError> {
        Ok(self.state().remembered.get(&(tenant.clone(), key.to_owned())).cloned())
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
