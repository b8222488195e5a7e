//! Key sets and keys as rows. Keys are compared by hash, so that a repeated upload reads nothing.
//! Their bytes are in the rows, or in files elsewhere that are named by [`KeyFile`].

use std::collections::BTreeMap;

use bytes::Bytes;
use edge_server::{
    KeyName, KeySetId, ModelKey, TenantId,
    port::Timestamp,
    store::{KeySet, PutKey, Usage},
};
use sha2::{Digest, Sha256};

use crate::{
    database::{Database, Result, Row, damaged, values},
    jobs,
    room::Room,
};

/// One stored key: what a file of its bytes is named after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyFile {
    /// The set.
    pub set: KeySetId,
    /// The key's name in it.
    pub name: KeyName,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
}

impl KeyFile {
    /// Names the bytes of a key.
    #[must_use]
    pub fn of(set: KeySetId, name: KeyName, bytes: &[u8]) -> Self {
        Self { set, name, sha256: Sha256::digest(bytes).into() }
    }
}

pub(crate) fn insert_set(database: &impl Database, set: &KeySet) -> Result<()> {
    database.run(
        "INSERT INTO key_sets (id, tenant, model_id, version, opened, used, announced)
         VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)",
        values![
            &set.id.to_bytes(),
            set.tenant.as_str(),
            set.model.model_id.as_str(),
            set.model.version.as_str(),
            set.opened,
            set.announced,
        ],
    )?;
    Ok(())
}

/// Counts what a tenant has.
///
/// # Errors
/// [`StoreError`](edge_server::store::StoreError)
pub fn usage(database: &impl Database, tenant: &TenantId) -> Result<Usage> {
    let sets = database.first(
        "SELECT count(*), coalesce(sum(announced), 0) FROM key_sets WHERE tenant = ?1",
        values![tenant.as_str()],
    )?;
    let sets = sets.ok_or_else(|| damaged("count"))?;
    Ok(Usage {
        key_sets: sets.number(0)?,
        key_bytes: sets.number(1)?,
        waiting_jobs: jobs::waiting(database, Some(tenant))?,
    })
}

/// Notes that a set is in use.
pub(crate) fn touch(database: &impl Database, id: KeySetId, at: Timestamp) -> Result<()> {
    database.run("UPDATE key_sets SET used = max(used, ?1) WHERE id = ?2", values![at, &id.to_bytes()])?;
    Ok(())
}

/// Looks up a tenant's key set.
///
/// # Errors
/// [`StoreError`](edge_server::store::StoreError)
pub fn read_set(database: &impl Database, tenant: &TenantId, id: KeySetId) -> Result<Option<KeySet>> {
    let row = database.first(
        "SELECT model_id, version, opened, announced FROM key_sets WHERE id = ?1 AND tenant = ?2",
        values![&id.to_bytes(), tenant.as_str()],
    )?;
    let Some(row) = row else { return Ok(None) };
    let mut present = BTreeMap::new();
    for key in database.run("SELECT name, length FROM keys WHERE key_set = ?1", values![&id.to_bytes()])? {
        present.insert(name(&key, 0)?, key.number(1)?);
    }
    Ok(Some(KeySet {
        id,
        tenant: tenant.clone(),
        model: ModelKey { model_id: row.text(0)?.to_owned(), version: row.text(1)?.to_owned() },
        opened: row.time(2)?,
        announced: row.number(3)?,
        present,
    }))
}

pub(crate) fn name(row: &Row, index: usize) -> Result<KeyName> {
    KeyName::parse(row.text(index)?).ok_or_else(|| damaged("key name"))
}

/// Says what becomes of a key that is offered, unless it is to be stored.
///
/// # Errors
/// [`StoreError`](edge_server::store::StoreError)
pub fn judge(database: &impl Database, tenant: &TenantId, key: KeyFile) -> Result<Option<PutKey>> {
    let KeyFile { set, name, sha256 } = key;
    if !owns(database, tenant, set)? {
        return Ok(Some(PutKey::NoSet));
    }
    let stored = database.first(
        "SELECT sha256 FROM keys WHERE key_set = ?1 AND name = ?2",
        values![&set.to_bytes(), name.to_string().as_str()],
    )?;
    let Some(stored) = stored else { return Ok(None) };
    Ok(Some(if stored.array(0)? == sha256 { PutKey::Stored } else { PutKey::Conflict }))
}

fn owns(database: &impl Database, tenant: &TenantId, id: KeySetId) -> Result<bool> {
    let found = database.first(
        "SELECT 1 FROM key_sets WHERE id = ?1 AND tenant = ?2",
        values![&id.to_bytes(), tenant.as_str()],
    )?;
    Ok(found.is_some())
}

/// Stores a key; `bytes` is empty where they are in a file.
pub(crate) fn insert(database: &impl Database, key: KeyFile, length: u64, bytes: &[u8]) -> Result<()> {
    database.run(
        "INSERT INTO keys (key_set, name, sha256, length, bytes) VALUES (?1, ?2, ?3, ?4, ?5)",
        values![&key.set.to_bytes(), key.name.to_string().as_str(), &key.sha256, length, bytes],
    )?;
    Ok(())
}

/// Reads one key of a tenant's set: its hash, and its bytes where they are in the row.
///
/// # Errors
/// [`StoreError`](edge_server::store::StoreError)
pub fn read(
    database: &impl Database,
    tenant: &TenantId,
    set: KeySetId,
    name: KeyName,
) -> Result<Option<(KeyFile, Bytes)>> {
    let row = database.first(
        "SELECT sha256, bytes FROM keys JOIN key_sets ON key_sets.id = key_set
         WHERE key_set = ?1 AND name = ?2 AND tenant = ?3",
        values![&set.to_bytes(), name.to_string().as_str(), tenant.as_str()],
    )?;
    row.map(|row| Ok((KeyFile { set, name, sha256: row.array(0)? }, row.bytes(1)?))).transpose()
}

/// Deletes a tenant's set and names the keys that it had; `None` if there was none.
pub(crate) fn delete_set(
    database: &impl Database,
    tenant: &TenantId,
    id: KeySetId,
) -> Result<Option<Vec<KeyFile>>> {
    if owns(database, tenant, id)? { forget(database, id).map(Some) } else { Ok(None) }
}

/// Deletes a set and names the keys that it had.
fn forget(database: &impl Database, id: KeySetId) -> Result<Vec<KeyFile>> {
    let deleted = database
        .run("DELETE FROM keys WHERE key_set = ?1 RETURNING name, sha256", values![&id.to_bytes()])?;
    database.run("DELETE FROM key_sets WHERE id = ?1", values![&id.to_bytes()])?;
    deleted.iter().map(|row| Ok(KeyFile { set: id, name: name(row, 0)?, sha256: row.array(1)? })).collect()
}

/// Forgets sets that were last used before, longest unused first, as much as there is room for; counts them
/// and names the keys that they had. A set is forgotten as a whole, however large it is.
pub(crate) fn sweep(
    database: &impl Database,
    before: Timestamp,
    room: &mut Room,
) -> Result<(u64, Vec<KeyFile>)> {
    let unused = database.run(
        "SELECT id, announced FROM key_sets WHERE used < ?1 ORDER BY used LIMIT ?2",
        values![before, room.rows],
    )?;
    let (mut swept, mut files) = (0, Vec::new());
    for row in unused {
        if room.is_full() {
            break;
        }
        files.extend(forget(database, KeySetId::from_bytes(row.array(0)?))?);
        room.take(row.number(1)?);
        swept += 1;
    }
    Ok((swept, files))
}
