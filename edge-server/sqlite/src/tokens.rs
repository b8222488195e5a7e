//! Tokens as rows.

use edge_server::{TenantId, TokenRecord};

use crate::database::{Database, Result, Row, values};

const COLUMNS: &str = "hash, tenant, label, created, expires";

fn token(row: &Row) -> Result<TokenRecord> {
    Ok(TokenRecord {
        hash: row.array(0)?,
        tenant: TenantId::new(row.text(1)?),
        label: row.text(2)?.to_owned(),
        created: row.time(3)?,
        expires: if row.is_null(4) { None } else { Some(row.time(4)?) },
    })
}

/// Finds a token by the SHA-256 of its secret.
///
/// # Errors
/// [`StoreError`](edge_server::store::StoreError), as for every function here.
pub fn find(database: &impl Database, hash: [u8; 32]) -> Result<Option<TokenRecord>> {
    let row = database.first(&format!("SELECT {COLUMNS} FROM tokens WHERE hash = ?1"), values![&hash])?;
    row.as_ref().map(token).transpose()
}

/// Lists all tokens, oldest first.
///
/// # Errors
/// [`StoreError`](edge_server::store::StoreError)
pub fn list(database: &impl Database) -> Result<Vec<TokenRecord>> {
    let rows = database.run(&format!("SELECT {COLUMNS} FROM tokens ORDER BY created, hash"), &[])?;
    rows.iter().map(token).collect()
}

/// Stores a token.
///
/// # Errors
/// [`StoreError`](edge_server::store::StoreError)
pub fn insert(database: &impl Database, token: &TokenRecord) -> Result<()> {
    database.run(
        &format!("INSERT INTO tokens ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5)"),
        values![&token.hash, token.tenant.as_str(), token.label.as_str(), token.created, token.expires],
    )?;
    Ok(())
}

/// Deletes the token whose hash this is; tells whether it existed.
///
/// # Errors
/// [`StoreError`](edge_server::store::StoreError)
pub fn delete(database: &impl Database, hash: [u8; 32]) -> Result<bool> {
    Ok(!database.run("DELETE FROM tokens WHERE hash = ?1 RETURNING 1", values![&hash])?.is_empty())
}
