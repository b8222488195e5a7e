//! Which answers idempotent requests got, as rows.

use edge_server::{
    JobId, KeySetId, TenantId,
    port::Timestamp,
    store::{Idempotency, Made, Remembered},
};

use crate::{
    database::{Database, Result, damaged, values},
    room::Room,
};

const JOB: i64 = 0;
const KEY_SET: i64 = 1;

/// Looks up what a tenant's earlier request with this idempotency key made.
///
/// # Errors
/// [`StoreError`](edge_server::store::StoreError)
pub fn recall(database: &impl Database, tenant: &TenantId, key: &str) -> Result<Option<Remembered>> {
    let row = database.first(
        "SELECT fingerprint, kind, made FROM idempotency WHERE tenant = ?1 AND key = ?2",
        values![tenant.as_str(), key],
    )?;
    let Some(row) = row else { return Ok(None) };
    let id = row.array(2)?;
    let made = match row.integer(1)? {
        JOB => Made::Job(JobId::from_bytes(id)),
        KEY_SET => Made::KeySet(KeySetId::from_bytes(id)),
        _ => return Err(damaged("idempotency record")),
    };
    Ok(Some(Remembered { fingerprint: row.array(0)?, made }))
}

pub(crate) fn remember(
    database: &impl Database,
    tenant: &TenantId,
    idempotency: &Idempotency,
    made: Made,
    at: Timestamp,
) -> Result<()> {
    let (kind, id) = match made {
        Made::Job(id) => (JOB, id.to_bytes()),
        Made::KeySet(id) => (KEY_SET, id.to_bytes()),
    };
    let Idempotency { key, fingerprint } = idempotency;
    database.run(
        "INSERT INTO idempotency (tenant, key, fingerprint, kind, made, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        values![tenant.as_str(), key.as_str(), fingerprint, kind, &id, at],
    )?;
    Ok(())
}

/// Forgets what was noted before, oldest first, as much as there is room for.
pub(crate) fn sweep(database: &impl Database, before: Timestamp, room: &mut Room) -> Result<()> {
    let deleted = database.run(
        "DELETE FROM idempotency WHERE (tenant, key) IN
             (SELECT tenant, key FROM idempotency WHERE at < ?1 ORDER BY at LIMIT ?2) RETURNING 1",
        values![before, room.rows],
    )?;
    deleted.iter().for_each(|_| room.take(0));
    Ok(())
}
