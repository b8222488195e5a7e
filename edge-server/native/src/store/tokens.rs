//! Tokens as rows.

use edge_server::{TenantId, TokenRecord};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{Result, number, timestamp};

const COLUMNS: &str = "hash, tenant, label, created, expires";

fn token(row: &Row<'_>) -> Result<TokenRecord> {
    Ok(TokenRecord {
        hash: row.get(0)?,
        tenant: TenantId::new(row.get::<_, String>(1)?),
        label: row.get(2)?,
        created: timestamp(row.get(3)?),
        expires: row.get::<_, Option<i64>>(4)?.map(timestamp),
    })
}

pub(super) fn find(connection: &Connection, hash: [u8; 32]) -> Result<Option<TokenRecord>> {
    let query = format!("SELECT {COLUMNS} FROM tokens WHERE hash = ?1");
    connection.prepare_cached(&query)?.query_row([hash], token).optional()
}

pub(super) fn list(connection: &Connection) -> Result<Vec<TokenRecord>> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM tokens ORDER BY created, hash"))?;
    statement.query_map([], token)?.collect()
}

pub(super) fn insert(transaction: &Transaction<'_>, token: &TokenRecord) -> Result<()> {
    transaction
        .prepare_cached(&format!("INSERT INTO tokens ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5)"))?
        .execute(params![
            token.hash,
            token.tenant.as_str(),
            token.label,
            number(token.created),
            token.expires.map(number),
        ])?;
    Ok(())
}

pub(super) fn delete(transaction: &Transaction<'_>, hash: [u8; 32]) -> Result<bool> {
    Ok(transaction.execute("DELETE FROM tokens WHERE hash = ?1", [hash])? > 0)
}
