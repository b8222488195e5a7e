//! Keys that were copied from files into rows, where they are read without waiting. A key is copied in one step, so
//! that it is there as a whole or not at all; of all copies those of the tenant who has most make room for others, the
//! set used longest ago first.

use bytes::{Bytes, BytesMut};
use edge_server::{KeyName, KeySetId, TenantId, store::StoreError};

use crate::{
    database::{Database, Result, damaged, values},
    keys::{self, KeyFile},
};

/// What copies take at most, in bytes.
pub const STAGED_BYTES: u64 = 1 << 30;

/// The most that one row has of a key: a Durable Object's rows have at most 2 MB with everything.
const PART: usize = 1_900_000;

/// The bytes that were copied of a row of `keys`.
const COPIED: &str = "(SELECT coalesce(sum(length(part.bytes)), 0) FROM staged_keys AS part
    WHERE part.key_set = keys.key_set AND part.name = keys.name)";

/// Names those of a tenant's keys that are still to be copied, and notes that their set is in use.
///
/// # Errors
/// [`StoreError`]
pub fn unstaged(
    database: &impl Database,
    tenant: &TenantId,
    set: KeySetId,
    names: &[KeyName],
) -> Result<Vec<KeyFile>> {
    let id = set.to_bytes();
    database.run(
        "UPDATE staged_sets SET used = (SELECT max(used) + 1 FROM staged_sets) WHERE key_set = ?1",
        values![&id],
    )?;
    let rows = database.run(
        &format!(
            "SELECT name, sha256 FROM keys JOIN key_sets ON key_sets.id = key_set
             WHERE key_set = ?1 AND tenant = ?2 AND length <> {COPIED}"
        ),
        values![&id, tenant.as_str()],
    )?;
    let mut files = Vec::new();
    for row in rows {
        let name = keys::name(&row, 0)?;
        if names.contains(&name) {
            files.push(KeyFile { set, name, sha256: row.array(1)? });
        }
    }
    Ok(files)
}

/// Copies a key, unless it was deleted or copied meanwhile. Beyond `most` bytes in all, copies of other sets are
/// forgotten: each time the set used longest ago of the tenant who has most, so that one with many sets displaces his
/// own.
///
/// # Errors
/// [`StoreError`]; also when these are not the bytes that were stored.
pub fn stage(database: &impl Database, key: KeyFile, bytes: &[u8], most: u64) -> Result<()> {
    let KeyFile { set, name, sha256 } = key;
    let (id, name) = (set.to_bytes(), name.to_string());
    let stored = database.first(
        &format!("SELECT length, {COPIED} FROM keys WHERE key_set = ?1 AND name = ?2 AND sha256 = ?3"),
        values![&id, name.as_str(), &sha256],
    )?;
    let Some(stored) = stored else { return Ok(()) };
    let length = bytes.len() as u64;
    if stored.number(0)? != length {
        return Err(damaged("key"));
    }
    let missing = length.saturating_sub(stored.number(1)?);
    if missing == 0 {
        return Ok(());
    }
    make_room(database, set, missing, most)?;
    for (number, part) in (0i64..).zip(bytes.chunks(PART)) {
        database.run(
            "INSERT OR REPLACE INTO staged_keys (key_set, name, number, bytes) VALUES (?1, ?2, ?3, ?4)",
            values![&id, name.as_str(), number, part],
        )?;
    }
    database.run(
        "INSERT INTO staged_sets (key_set, bytes, used)
         SELECT ?1, ?2, coalesce(max(used), 0) + 1 FROM staged_sets WHERE true
         ON CONFLICT (key_set) DO UPDATE SET bytes = bytes + excluded.bytes, used = excluded.used",
        values![&id, missing],
    )?;
    Ok(())
}

/// Forgets copies until these bytes of a set fit. What its tenant has counts with them: whoever brings more is the
/// first to lose.
fn make_room(database: &impl Database, set: KeySetId, bytes: u64, most: u64) -> Result<()> {
    while database.count("SELECT coalesce(sum(bytes), 0) FROM staged_sets", &[])? + bytes > most {
        let oldest = database.first(
            "WITH copied AS (
                SELECT key_set, tenant, bytes, staged_sets.used
                FROM staged_sets JOIN key_sets ON key_sets.id = key_set
             ), tenants AS (
                SELECT tenant, sum(bytes) + CASE
                    WHEN tenant = (SELECT tenant FROM key_sets WHERE id = ?1) THEN ?2 ELSE 0 END AS bytes
                FROM copied GROUP BY tenant
             )
             SELECT key_set FROM copied JOIN tenants USING (tenant) WHERE key_set <> ?1
             ORDER BY tenants.bytes DESC, copied.used LIMIT 1",
            values![&set.to_bytes(), bytes],
        )?;
        match oldest {
            Some(oldest) => forget(database, KeySetId::from_bytes(oldest.array(0)?))?,
            None => break,
        }
    }
    Ok(())
}

/// Reads a copied key of a tenant's set; `None` if the set does not have it (any more).
///
/// # Errors
/// [`StoreError`]; also when it was not copied.
pub fn staged(
    database: &impl Database,
    tenant: &TenantId,
    set: KeySetId,
    name: KeyName,
) -> Result<Option<Bytes>> {
    let (id, text) = (set.to_bytes(), name.to_string());
    let stored = database.first(
        "SELECT length FROM keys JOIN key_sets ON key_sets.id = key_set
         WHERE key_set = ?1 AND name = ?2 AND tenant = ?3",
        values![&id, text.as_str(), tenant.as_str()],
    )?;
    let Some(stored) = stored else { return Ok(None) };
    let parts = database.run(
        "SELECT bytes FROM staged_keys WHERE key_set = ?1 AND name = ?2 ORDER BY number",
        values![&id, text.as_str()],
    )?;
    let length = stored.number(0)?;
    let bytes = match &parts[..] {
        [part] => part.bytes(0)?,
        parts => {
            let mut bytes = BytesMut::with_capacity(usize::try_from(length).map_err(|_| damaged("length"))?);
            for part in parts {
                bytes.extend_from_slice(&part.bytes(0)?);
            }
            bytes.freeze()
        }
    };
    if length == bytes.len() as u64 {
        Ok(Some(bytes))
    } else {
        Err(StoreError::new(format!("{name} of key set {set} is not where it is read without waiting")))
    }
}

/// Forgets the copies of a set.
pub(crate) fn forget(database: &impl Database, set: KeySetId) -> Result<()> {
    for statement in
        ["DELETE FROM staged_keys WHERE key_set = ?1", "DELETE FROM staged_sets WHERE key_set = ?1"]
    {
        database.run(statement, values![&set.to_bytes()])?;
    }
    Ok(())
}
