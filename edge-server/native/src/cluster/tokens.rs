//! Tokens as rows in PostgreSQL.

use edge_server::{TenantId, TokenRecord};
use tokio_postgres::{GenericClient, Row};

use super::{Result, damaged, failed, number, timestamp};

const COLUMNS: &str = "hash, tenant, label, created, expires";

fn token(row: &Row) -> Result<TokenRecord> {
    Ok(TokenRecord {
        hash: row.get::<_, &[u8]>(0).try_into().map_err(|_| damaged("hash"))?,
        tenant: TenantId::new(row.get::<_, String>(1)),
        label: row.get(2),
        created: timestamp(row.get(3)),
        expires: row.get::<_, Option<i64>>(4).map(timestamp),
    })
}

pub(super) async fn find(client: &impl GenericClient, hash: [u8; 32]) -> Result<Option<TokenRecord>> {
    let query = format!("SELECT {COLUMNS} FROM tokens WHERE hash = $1");
    let row = client.query_opt(&query, &[&&hash[..]]).await.map_err(failed)?;
    row.as_ref().map(token).transpose()
}

pub(super) async fn list(client: &impl GenericClient) -> Result<Vec<TokenRecord>> {
    let query = format!("SELECT {COLUMNS} FROM tokens ORDER BY created, hash");
    client.query(&query, &[]).await.map_err(failed)?.iter().map(token).collect()
}

pub(super) async fn insert(client: &impl GenericClient, record: &TokenRecord) -> Result<()> {
    let query = format!("INSERT INTO tokens ({COLUMNS}) VALUES ($1, $2, $3, $4, $5)");
    let (created, expires) = (number(record.created), record.expires.map(number));
    client
        .execute(&query, &[&&record.hash[..], &record.tenant.as_str(), &record.label, &created, &expires])
        .await
        .map_err(failed)?;
    Ok(())
}

pub(super) async fn delete(client: &impl GenericClient, hash: [u8; 32]) -> Result<bool> {
    let deleted =
        client.execute("DELETE FROM tokens WHERE hash = $1", &[&&hash[..]]).await.map_err(failed)?;
    Ok(deleted > 0)
}
