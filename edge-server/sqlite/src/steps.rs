//! What a store does in one step, over several tables.

use bytes::Bytes;
use edge_server::{
    KeySetId, TenantId,
    store::{
        Full, Horizon, Idempotency, Inserted, JobRequest, KeyQuota, KeySet, Made, PutKey, QueueBounds,
        Remembered, Swept, Usage,
    },
};

use crate::{
    database::{Database, Result},
    idempotency, jobs,
    keys::{self, KeyFile},
    room::Room,
    staged,
};

/// What an earlier request with this idempotency key made.
fn recall(
    database: &impl Database,
    tenant: &TenantId,
    idempotency: Option<&Idempotency>,
) -> Result<Option<Remembered>> {
    idempotency.map_or(Ok(None), |idempotency| idempotency::recall(database, tenant, &idempotency.key))
}

/// Stores a job with its inputs as waiting, and its idempotency record; notes that its key set is in use.
///
/// # Errors
/// [`StoreError`](edge_server::store::StoreError)
pub fn insert_job(
    database: &impl Database,
    job: &JobRequest,
    inputs: &[Bytes],
    idempotency: Option<&Idempotency>,
    bounds: QueueBounds,
) -> Result<Inserted<Full>> {
    if let Some(earlier) = recall(database, &job.tenant, idempotency)? {
        return Ok(Inserted::Remembered(earlier));
    }
    if let Some(full) = jobs::full(database, &job.tenant, bounds)? {
        return Ok(Inserted::Refused(full));
    }
    if let Some(idempotency) = idempotency {
        idempotency::remember(database, &job.tenant, idempotency, Made::Job(job.id), job.accepted)?;
    }
    if let Some(set) = job.key_set {
        keys::touch(database, set, job.accepted)?;
    }
    jobs::insert(database, job, inputs)?;
    Ok(Inserted::New)
}

/// Stores an empty key set, and its idempotency record.
///
/// # Errors
/// [`StoreError`](edge_server::store::StoreError)
pub fn insert_key_set(
    database: &impl Database,
    set: &KeySet,
    idempotency: Option<&Idempotency>,
    quota: KeyQuota,
) -> Result<Inserted<Usage>> {
    if let Some(earlier) = recall(database, &set.tenant, idempotency)? {
        return Ok(Inserted::Remembered(earlier));
    }
    let usage = keys::usage(database, &set.tenant)?;
    if !quota.allows(usage, set.announced) {
        return Ok(Inserted::Refused(usage));
    }
    if let Some(idempotency) = idempotency {
        idempotency::remember(database, &set.tenant, idempotency, Made::KeySet(set.id), set.opened)?;
    }
    keys::insert_set(database, set)?;
    Ok(Inserted::New)
}

/// Stores one key of a tenant's set; `bytes` is empty where they are in a file.
///
/// # Errors
/// [`StoreError`](edge_server::store::StoreError)
pub fn put_key(
    database: &impl Database,
    tenant: &TenantId,
    key: KeyFile,
    length: u64,
    bytes: &[u8],
) -> Result<PutKey> {
    if let Some(settled) = keys::judge(database, tenant, key)? {
        return Ok(settled);
    }
    keys::insert(database, key, length, bytes)?;
    Ok(PutKey::Stored)
}

/// Deletes a tenant's set with the copies of its keys, and names these; `None` if there was none.
///
/// # Errors
/// [`StoreError`](edge_server::store::StoreError)
pub fn delete_key_set(
    database: &impl Database,
    tenant: &TenantId,
    id: KeySetId,
) -> Result<Option<Vec<KeyFile>>> {
    let keys = keys::delete_set(database, tenant, id)?;
    if keys.is_some() {
        staged::forget(database, id)?;
    }
    Ok(keys)
}

/// A part of what has been kept long enough, which was forgotten in one step.
#[derive(Debug)]
pub struct SweepStep {
    /// What was forgotten.
    pub swept: Swept,
    /// The keys that were among it.
    pub keys: Vec<KeyFile>,
    /// Nothing is left to forget.
    pub is_last: bool,
}

/// Forgets a part of what has been kept long enough: a few hundred rows and a few megabytes, so that others
/// who write do not wait long. To be called until it was the last step.
///
/// # Errors
/// [`StoreError`](edge_server::store::StoreError)
pub fn sweep_step(database: &impl Database, horizon: Horizon) -> Result<SweepStep> {
    let mut room = Room::new();
    let jobs = jobs::sweep(database, horizon.finished, &mut room)?;
    let (key_sets, keys) = keys::sweep(database, horizon.key_sets, &mut room)?;
    for of_a_set in keys.chunk_by(|one, next| one.set == next.set) {
        staged::forget(database, of_a_set[0].set)?;
    }
    idempotency::sweep(database, horizon.finished, &mut room)?;
    Ok(SweepStep { swept: Swept { jobs, key_sets }, keys, is_last: !room.is_full() })
}
