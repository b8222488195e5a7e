//! Key sets and keys as rows. Keys are compared by hash, so that a repeated upload reads nothing.

use std::collections::BTreeMap;

use bytes::Bytes;
use edge_server::{
    KeyName, KeySetId, ModelKey, TenantId,
    port::Timestamp,
    store::{KeySet, PutKey, Usage},
};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{Result, damaged, jobs, number, timestamp};

pub(super) fn insert_set(transaction: &Transaction<'_>, set: &KeySet) -> Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO key_sets (id, tenant, model_id, version, opened, used, announced)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)",
        )?
        .execute(params![
            set.id.to_bytes(),
            set.tenant.as_str(),
            set.model.model_id,
            set.model.version,
            number(set.opened),
            set.announced.cast_signed(),
        ])?;
    Ok(())
}

/// What a tenant has.
pub(super) fn usage(connection: &Connection, tenant: &TenantId) -> Result<Usage> {
    let waiting_jobs = jobs::waiting(connection, Some(tenant))?;
    connection
        .prepare_cached("SELECT count(*), coalesce(sum(announced), 0) FROM key_sets WHERE tenant = ?1")?
        .query_row([tenant.as_str()], |row| {
            Ok(Usage {
                key_sets: row.get::<_, i64>(0)?.cast_unsigned(),
                key_bytes: row.get::<_, i64>(1)?.cast_unsigned(),
                waiting_jobs,
            })
        })
}

/// Notes that a set is in use.
pub(super) fn touch(transaction: &Transaction<'_>, id: KeySetId, at: Timestamp) -> Result<()> {
    transaction
        .prepare_cached("UPDATE key_sets SET used = max(used, ?1) WHERE id = ?2")?
        .execute(params![number(at), id.to_bytes()])?;
    Ok(())
}

/// Forgets sets that were last used before.
pub(super) fn sweep(transaction: &Transaction<'_>, before: Timestamp) -> Result<u64> {
    let before = [number(before)];
    transaction
        .execute("DELETE FROM keys WHERE key_set IN (SELECT id FROM key_sets WHERE used < ?1)", before)?;
    Ok(transaction.execute("DELETE FROM key_sets WHERE used < ?1", before)? as u64)
}

pub(super) fn read_set(connection: &Connection, tenant: &TenantId, id: KeySetId) -> Result<Option<KeySet>> {
    let set = connection
        .prepare_cached(
            "SELECT model_id, version, opened, announced FROM key_sets WHERE id = ?1 AND tenant = ?2",
        )?
        .query_row(params![id.to_bytes(), tenant.as_str()], |row| {
            Ok(KeySet {
                id,
                tenant: tenant.clone(),
                model: ModelKey { model_id: row.get(0)?, version: row.get(1)? },
                opened: timestamp(row.get(2)?),
                announced: row.get::<_, i64>(3)?.cast_unsigned(),
                present: BTreeMap::new(),
            })
        })
        .optional()?;
    let Some(mut set) = set else { return Ok(None) };
    let mut statement = connection.prepare_cached("SELECT name, length FROM keys WHERE key_set = ?1")?;
    let mut rows = statement.query([id.to_bytes()])?;
    while let Some(row) = rows.next()? {
        let name = KeyName::parse(row.get_ref(0)?.as_str()?).ok_or_else(|| damaged("key name"))?;
        set.present.insert(name, row.get::<_, i64>(1)?.cast_unsigned());
    }
    Ok(Some(set))
}

fn owns(connection: &Connection, tenant: &TenantId, id: KeySetId) -> Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM key_sets WHERE id = ?1 AND tenant = ?2")?
        .exists(params![id.to_bytes(), tenant.as_str()])
}

pub(super) fn put(
    transaction: &Transaction<'_>,
    tenant: &TenantId,
    id: KeySetId,
    name: KeyName,
    bytes: &Bytes,
    sha256: [u8; 32],
) -> Result<PutKey> {
    if !owns(transaction, tenant, id)? {
        return Ok(PutKey::NoSet);
    }
    let name = name.to_string();
    let stored: Option<[u8; 32]> = transaction
        .prepare_cached("SELECT sha256 FROM keys WHERE key_set = ?1 AND name = ?2")?
        .query_row(params![id.to_bytes(), name], |row| row.get(0))
        .optional()?;
    if let Some(stored) = stored {
        return Ok(if stored == sha256 { PutKey::Stored } else { PutKey::Conflict });
    }
    transaction
        .prepare_cached(
            "INSERT INTO keys (key_set, name, sha256, length, bytes) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![id.to_bytes(), name, sha256, bytes.len() as i64, &bytes[..]])?;
    Ok(PutKey::Stored)
}

pub(super) fn read(
    connection: &Connection,
    tenant: &TenantId,
    id: KeySetId,
    name: KeyName,
) -> Result<Option<Bytes>> {
    if !owns(connection, tenant, id)? {
        return Ok(None);
    }
    connection
        .prepare_cached("SELECT bytes FROM keys WHERE key_set = ?1 AND name = ?2")?
        .query_row(params![id.to_bytes(), name.to_string()], |row| row.get::<_, Vec<u8>>(0).map(Bytes::from))
        .optional()
}

pub(super) fn delete_set(transaction: &Transaction<'_>, tenant: &TenantId, id: KeySetId) -> Result<bool> {
    if !owns(transaction, tenant, id)? {
        return Ok(false);
    }
    transaction.execute("DELETE FROM keys WHERE key_set = ?1", [id.to_bytes()])?;
    transaction.execute("DELETE FROM key_sets WHERE id = ?1", [id.to_bytes()])?;
    Ok(true)
}
