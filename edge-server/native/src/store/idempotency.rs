//! Which answers idempotent requests got, as rows.

use edge_server::{
    JobId, KeySetId, TenantId,
    port::Timestamp,
    store::{Idempotency, Made, Remembered},
};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{Result, damaged, number};

const JOB: i64 = 0;
const KEY_SET: i64 = 1;

pub(super) fn recall(connection: &Connection, tenant: &TenantId, key: &str) -> Result<Option<Remembered>> {
    connection
        .prepare_cached("SELECT fingerprint, kind, made FROM idempotency WHERE tenant = ?1 AND key = ?2")?
        .query_row(params![tenant.as_str(), key], |row| {
            let id = row.get(2)?;
            let made = match row.get(1)? {
                JOB => Made::Job(JobId::from_bytes(id)),
                KEY_SET => Made::KeySet(KeySetId::from_bytes(id)),
                _ => return Err(damaged("idempotency record")),
            };
            Ok(Remembered { fingerprint: row.get(0)?, made })
        })
        .optional()
}

pub(super) fn remember(
    transaction: &Transaction<'_>,
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
    transaction
        .prepare_cached(
            "INSERT INTO idempotency (tenant, key, fingerprint, kind, made, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![tenant.as_str(), key, fingerprint, kind, id, number(at)])?;
    Ok(())
}

/// Forgets what was noted before.
pub(super) fn sweep(transaction: &Transaction<'_>, before: Timestamp) -> Result<()> {
    transaction.execute("DELETE FROM idempotency WHERE at < ?1", [number(before)])?;
    Ok(())
}
