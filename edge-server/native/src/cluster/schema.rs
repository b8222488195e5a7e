//! The tables in PostgreSQL, and their version.

use tokio_postgres::Client;

use super::{ClusterError, failed};

/// One step for each version of the tables. A step that has been released never changes.
const MIGRATIONS: &[&str] = &[FIRST, OLDEST_FIRST, TRACES, PUT_OFF];

/// Held while the tables change, so that servers that start together do not disturb each other.
const LOCK: i64 = 0x6564_6765_0001;

const FIRST: &str = "
CREATE TABLE jobs (
    id bytea PRIMARY KEY,
    tenant text NOT NULL,
    model_id text NOT NULL,
    version text NOT NULL,
    key_set bytea,
    batch_size bigint NOT NULL,
    encoding text NOT NULL,
    accepted bigint NOT NULL,
    deadline bigint NOT NULL,
    inputs bigint NOT NULL,
    state smallint NOT NULL,
    attempts bigint NOT NULL DEFAULT 0,
    worker bytea,
    lease timestamptz,
    finished bigint,
    result bytea,
    failure_code text,
    failure_detail text
);
CREATE INDEX unfinished ON jobs (accepted) WHERE state < 2;
CREATE INDEX waiting ON jobs (tenant) WHERE state = 0;
CREATE INDEX finished ON jobs (finished) WHERE state >= 2;
CREATE SEQUENCE turn;
CREATE TABLE turns (tenant text PRIMARY KEY, turn bigint NOT NULL);
CREATE TABLE key_sets (
    id bytea PRIMARY KEY,
    tenant text NOT NULL,
    model_id text NOT NULL,
    version text NOT NULL,
    opened bigint NOT NULL,
    used bigint NOT NULL,
    announced bigint NOT NULL
);
CREATE INDEX key_sets_of ON key_sets (tenant);
CREATE TABLE keys (
    key_set bytea NOT NULL REFERENCES key_sets ON DELETE CASCADE,
    name text NOT NULL,
    sha256 bytea NOT NULL,
    length bigint NOT NULL,
    PRIMARY KEY (key_set, name)
);
CREATE TABLE idempotency (
    tenant text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    kind smallint NOT NULL,
    made bytea NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (tenant, key)
);
CREATE TABLE tokens (
    hash bytea PRIMARY KEY,
    tenant text NOT NULL,
    label text NOT NULL,
    created bigint NOT NULL,
    expires bigint
);
";

/// What is to be forgotten is found without looking at everything that is not.
const OLDEST_FIRST: &str = "
CREATE INDEX noted ON idempotency (at);
CREATE INDEX used ON key_sets (used);
";

/// The span of the request that a job came with.
const TRACES: &str = "ALTER TABLE jobs ADD COLUMN trace text;";

/// How often the store has failed a job, in all and in the middle of its evaluation, and when it may be taken again.
const PUT_OFF: &str = "
ALTER TABLE jobs ADD COLUMN failures bigint NOT NULL DEFAULT 0,
    ADD COLUMN midway bigint NOT NULL DEFAULT 0,
    ADD COLUMN not_before timestamptz NOT NULL DEFAULT '-infinity';
";

/// Brings the tables to this server's version, as a whole or not at all.
pub(super) async fn migrate(client: &mut Client) -> Result<(), ClusterError> {
    let transaction = client.transaction().await.map_err(failed)?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await.map_err(failed)?;
    transaction
        .batch_execute("CREATE TABLE IF NOT EXISTS edge_server (version int NOT NULL)")
        .await
        .map_err(failed)?;
    let row = transaction.query_opt("SELECT version FROM edge_server", &[]).await.map_err(failed)?;
    let found: i32 = row.map_or(0, |row| row.get(0));
    let expected = MIGRATIONS.len() as i32;
    if found > expected {
        return Err(ClusterError::Newer { expected, found });
    }
    for step in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or_default()) {
        transaction.batch_execute(step).await.map_err(failed)?;
    }
    transaction.execute("DELETE FROM edge_server", &[]).await.map_err(failed)?;
    transaction.execute("INSERT INTO edge_server VALUES ($1)", &[&expected]).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(())
}
