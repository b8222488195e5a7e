//! What requests with an idempotency key made, as rows in PostgreSQL.

use edge_server::{
    JobId, KeySetId, TenantId,
    port::Timestamp,
    store::{Idempotency, Made, Remembered},
};
use tokio_postgres::{GenericClient, Transaction};

use super::{Result, damaged, failed, id, number};

const JOB: i16 = 0;
const KEY_SET: i16 = 1;

/// What an earlier request with this idempotency key made.
pub(super) async fn recall(
    client: &impl GenericClient,
    tenant: &TenantId,
    key: &str,
) -> Result<Option<Remembered>> {
    const QUERY: &str = "SELECT fingerprint, kind, made FROM idempotency WHERE tenant = $1 AND key = $2";
    let Some(row) = client.query_opt(QUERY, &[&tenant.as_str(), &key]).await.map_err(failed)? else {
        return Ok(None);
    };
    let made = match row.get(1) {
        JOB => Made::Job(JobId::from_bytes(id(&row, 2)?)),
        KEY_SET => Made::KeySet(KeySetId::from_bytes(id(&row, 2)?)),
        _ => return Err(damaged("idempotency record")),
    };
    let fingerprint = row.get::<_, &[u8]>(0).try_into().map_err(|_| damaged("fingerprint"))?;
    Ok(Some(Remembered { fingerprint, made }))
}

/// Notes what a request made; says what an earlier one did if its key is taken.
pub(super) async fn remember(
    transaction: &Transaction<'_>,
    tenant: &TenantId,
    idempotency: Option<&Idempotency>,
    made: Made,
    at: Timestamp,
) -> Result<Option<Remembered>> {
    let Some(Idempotency { key, fingerprint }) = idempotency else { return Ok(None) };
    let (kind, id) = match made {
        Made::Job(id) => (JOB, id.to_bytes()),
        Made::KeySet(id) => (KEY_SET, id.to_bytes()),
    };
    let inserted = transaction
        .execute(
            "INSERT INTO idempotency (tenant, key, fingerprint, kind, made, at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            &[&tenant.as_str(), &key, &&fingerprint[..], &kind, &&id[..], &number(at)],
        )
        .await
        .map_err(failed)?;
    if inserted == 1 { Ok(None) } else { recall(transaction, tenant, key).await }
}
