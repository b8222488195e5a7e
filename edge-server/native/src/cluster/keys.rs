//! Key sets and keys: rows in PostgreSQL, bytes in the object store under the hash that the row has.

use std::collections::BTreeMap;

use bytes::Bytes;
use edge_server::{
    KeyName, KeySetId, ModelKey, TenantId,
    port::Timestamp,
    store::{Idempotency, Inserted, KeyQuota, KeySet, Made, PutKey, Usage},
};
use sha2::{Digest, Sha256};
use tokio_postgres::{Client, GenericClient, Row, Transaction};

use super::{
    Hash, Result, SWEEP_ROWS, damaged, failed, id,
    idempotency::remember,
    jobs, number,
    objects::{KeyObject, Objects},
    timestamp,
};

/// Held, together with the tenant's hash, while its sets are counted and one is added.
const LOCK: i32 = 0x6564_6765;

pub(super) async fn usage(client: &impl GenericClient, tenant: &TenantId) -> Result<Usage> {
    const QUERY: &str =
        "SELECT count(*), coalesce(sum(announced), 0)::bigint FROM key_sets WHERE tenant = $1";
    let row = client.query_one(QUERY, &[&tenant.as_str()]).await.map_err(failed)?;
    Ok(Usage {
        key_sets: row.get::<_, i64>(0).cast_unsigned(),
        key_bytes: row.get::<_, i64>(1).cast_unsigned(),
        waiting_jobs: jobs::waiting(client, tenant).await?,
    })
}

pub(super) async fn insert_set(
    client: &mut Client,
    set: &KeySet,
    idempotency: Option<&Idempotency>,
    quota: KeyQuota,
) -> Result<Inserted<Usage>> {
    let transaction = client.transaction().await.map_err(failed)?;
    let tenant = set.tenant.as_str();
    transaction
        .execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", &[&LOCK, &tenant])
        .await
        .map_err(failed)?;
    let earlier = remember(&transaction, &set.tenant, idempotency, Made::KeySet(set.id), set.opened).await?;
    if let Some(earlier) = earlier {
        return Ok(Inserted::Remembered(earlier));
    }
    let usage = usage(&transaction, &set.tenant).await?;
    if !quota.allows(usage, set.announced) {
        return Ok(Inserted::Refused(usage));
    }
    let (opened, announced) = (number(set.opened), set.announced.cast_signed());
    transaction
        .execute(
            "INSERT INTO key_sets (id, tenant, model_id, version, opened, used, announced)
             VALUES ($1, $2, $3, $4, $5, $5, $6)",
            &[&&set.id.to_bytes()[..], &tenant, &set.model.model_id, &set.model.version, &opened, &announced],
        )
        .await
        .map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(Inserted::New)
}

pub(super) async fn read_set(
    client: &impl GenericClient,
    tenant: &TenantId,
    set: KeySetId,
) -> Result<Option<KeySet>> {
    const SET: &str =
        "SELECT model_id, version, opened, announced FROM key_sets WHERE id = $1 AND tenant = $2";
    const KEYS: &str = "SELECT name, length FROM keys WHERE key_set = $1";
    let bytes = set.to_bytes();
    let Some(row) = client.query_opt(SET, &[&&bytes[..], &tenant.as_str()]).await.map_err(failed)? else {
        return Ok(None);
    };
    let mut present = BTreeMap::new();
    for key in client.query(KEYS, &[&&bytes[..]]).await.map_err(failed)? {
        let name = KeyName::parse(key.get(0)).ok_or_else(|| damaged("key name"))?;
        present.insert(name, key.get::<_, i64>(1).cast_unsigned());
    }
    Ok(Some(KeySet {
        id: set,
        tenant: tenant.clone(),
        model: ModelKey { model_id: row.get(0), version: row.get(1) },
        opened: timestamp(row.get(2)),
        announced: row.get::<_, i64>(3).cast_unsigned(),
        present,
    }))
}

/// The hash of a key, if the set is the tenant's and has it.
pub(super) async fn hash(
    client: &impl GenericClient,
    tenant: &TenantId,
    set: KeySetId,
    name: KeyName,
) -> Result<Option<Hash>> {
    const QUERY: &str = "SELECT sha256 FROM keys JOIN key_sets ON key_sets.id = key_set
        WHERE key_set = $1 AND tenant = $2 AND name = $3";
    let bytes = set.to_bytes();
    let row =
        client.query_opt(QUERY, &[&&bytes[..], &tenant.as_str(), &name.to_string()]).await.map_err(failed)?;
    row.map(|row| row.get::<_, &[u8]>(0).try_into().map_err(|_| damaged("hash"))).transpose()
}

/// The hashes of those keys that the set has, if it is the tenant's.
pub(super) async fn hashes(
    client: &impl GenericClient,
    tenant: &TenantId,
    set: KeySetId,
    names: &[KeyName],
) -> Result<Vec<(KeyName, Hash)>> {
    const QUERY: &str = "SELECT name, sha256 FROM keys JOIN key_sets ON key_sets.id = key_set
        WHERE key_set = $1 AND tenant = $2 AND name = ANY($3)";
    let names: Vec<String> = names.iter().map(KeyName::to_string).collect();
    let rows =
        client.query(QUERY, &[&&set.to_bytes()[..], &tenant.as_str(), &names]).await.map_err(failed)?;
    let read = rows.iter().map(|row| {
        let name = KeyName::parse(row.get(0)).ok_or_else(|| damaged("key name"))?;
        Ok((name, row.get::<_, &[u8]>(1).try_into().map_err(|_| damaged("hash"))?))
    });
    read.collect()
}

pub(super) async fn put(
    client: &mut Client,
    objects: &Objects,
    tenant: &TenantId,
    set: KeySetId,
    name: KeyName,
    bytes: Bytes,
) -> Result<PutKey> {
    let sha256: Hash = Sha256::digest(&bytes).into();
    let judge = |stored: Hash| if stored == sha256 { PutKey::Stored } else { PutKey::Conflict };
    if let Some(stored) = hash(client, tenant, set, name).await? {
        return Ok(judge(stored));
    }
    if read_set(client, tenant, set).await?.is_none() {
        return Ok(PutKey::NoSet);
    }
    let length = bytes.len() as i64;
    objects.put_key(set, name, sha256, bytes).await?;
    // The set may have been deleted meanwhile, or another upload may have been faster.
    const INSERT: &str = "INSERT INTO keys (key_set, name, sha256, length)
        SELECT id, $3::text, $4::bytea, $5::bigint FROM key_sets WHERE id = $1 AND tenant = $2 FOR SHARE
        ON CONFLICT DO NOTHING";
    let id = set.to_bytes();
    let inserted = client
        .execute(INSERT, &[&&id[..], &tenant.as_str(), &name.to_string(), &&sha256[..], &length])
        .await
        .map_err(failed)?;
    if inserted == 1 {
        return Ok(PutKey::Stored);
    }
    let stored = hash(client, tenant, set, name).await?;
    if stored != Some(sha256) {
        objects.delete_key(set, name, sha256).await;
    }
    Ok(stored.map_or(PutKey::NoSet, judge))
}

/// The keys of sets, for their objects.
async fn names(client: &impl GenericClient, sets: &[Vec<u8>]) -> Result<Vec<KeyObject>> {
    const QUERY: &str = "SELECT key_set, name, sha256 FROM keys WHERE key_set = ANY($1)";
    let rows = client.query(QUERY, &[&sets]).await.map_err(failed)?;
    let read = rows.iter().map(|row| {
        let name = KeyName::parse(row.get(1)).ok_or_else(|| damaged("key name"))?;
        let hash = row.get::<_, &[u8]>(2).try_into().map_err(|_| damaged("hash"))?;
        Ok((KeySetId::from_bytes(id(row, 0)?), name, hash))
    });
    read.collect()
}

/// Deletes sets whose rows are locked; says which keys they had.
async fn forget(transaction: Transaction<'_>, rows: &[Row]) -> Result<Vec<KeyObject>> {
    let sets: Vec<Vec<u8>> = rows.iter().map(|row| row.get(0)).collect();
    let keys = names(&transaction, &sets).await?;
    transaction.execute("DELETE FROM key_sets WHERE id = ANY($1)", &[&sets]).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(keys)
}

/// Deletes a tenant's set and names the keys that it had; `None` if there was none.
pub(super) async fn delete_set(
    client: &mut Client,
    tenant: &TenantId,
    set: KeySetId,
) -> Result<Option<Vec<KeyObject>>> {
    const LOCK: &str = "SELECT id FROM key_sets WHERE id = $1 AND tenant = $2 FOR UPDATE";
    let transaction = client.transaction().await.map_err(failed)?;
    let owned = transaction.query(LOCK, &[&&set.to_bytes()[..], &tenant.as_str()]).await.map_err(failed)?;
    if owned.is_empty() { Ok(None) } else { forget(transaction, &owned).await.map(Some) }
}

/// Forgets some of the sets that were last used before, longest unused first; counts them and names the
/// keys that they had.
pub(super) async fn sweep(client: &mut Client, before: Timestamp) -> Result<(u64, Vec<KeyObject>)> {
    let query = format!(
        "SELECT id FROM key_sets WHERE used < $1 ORDER BY used LIMIT {SWEEP_ROWS} FOR UPDATE SKIP LOCKED"
    );
    let transaction = client.transaction().await.map_err(failed)?;
    let unused = transaction.query(&query, &[&number(before)]).await.map_err(failed)?;
    Ok((unused.len() as u64, forget(transaction, &unused).await?))
}
