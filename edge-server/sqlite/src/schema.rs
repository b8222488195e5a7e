//! The tables and their version.

/// One step for each version of the tables. A step that has been released never changes.
pub const MIGRATIONS: &[&str] =
    &[FIRST, QUEUE_AND_TENANTS, RESULTS_APART, OLDEST_FIRST, TRACES, STAGED_KEYS, PUT_OFF];

/// The version that these statements are for.
pub const VERSION: i64 = MIGRATIONS.len() as i64;

const FIRST: &str = "
CREATE TABLE jobs (
    id BLOB PRIMARY KEY,
    tenant TEXT NOT NULL,
    model_id TEXT NOT NULL,
    version TEXT NOT NULL,
    key_set BLOB,
    batch_size INTEGER NOT NULL,
    encoding TEXT NOT NULL,
    accepted INTEGER NOT NULL,
    state INTEGER NOT NULL,
    result BLOB,
    failure_code TEXT,
    failure_detail TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX unfinished ON jobs (accepted) WHERE state < 2;
CREATE TABLE inputs (
    job BLOB NOT NULL,
    number INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (job, number)
) STRICT;
CREATE TABLE key_sets (
    id BLOB PRIMARY KEY,
    tenant TEXT NOT NULL,
    model_id TEXT NOT NULL,
    version TEXT NOT NULL,
    opened INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE keys (
    key_set BLOB NOT NULL,
    name TEXT NOT NULL,
    sha256 BLOB NOT NULL,
    length INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (key_set, name)
) STRICT;
CREATE TABLE idempotency (
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    kind INTEGER NOT NULL,
    made BLOB NOT NULL,
    PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;
";

/// Leases, deadlines, turns, tokens, and when everything may be forgotten.
const QUEUE_AND_TENANTS: &str = "
ALTER TABLE jobs ADD COLUMN deadline INTEGER NOT NULL DEFAULT 9223372036854775807;
ALTER TABLE jobs ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN worker BLOB;
ALTER TABLE jobs ADD COLUMN lease INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN finished INTEGER;
UPDATE jobs SET finished = accepted WHERE state >= 2;
CREATE INDEX finished ON jobs (finished) WHERE state >= 2;
CREATE INDEX waiting ON jobs (tenant) WHERE state = 0;
CREATE TABLE turns (
    tenant TEXT PRIMARY KEY,
    turn INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX last_turn ON turns (turn);
ALTER TABLE key_sets ADD COLUMN announced INTEGER NOT NULL DEFAULT 0;
ALTER TABLE key_sets ADD COLUMN used INTEGER NOT NULL DEFAULT 0;
UPDATE key_sets SET used = opened,
    announced = (SELECT coalesce(sum(length), 0) FROM keys WHERE key_set = key_sets.id);
CREATE INDEX key_sets_of ON key_sets (tenant, announced);
ALTER TABLE idempotency ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
UPDATE idempotency SET at = unixepoch() * 1000;
CREATE TABLE tokens (
    hash BLOB PRIMARY KEY,
    tenant TEXT NOT NULL,
    label TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER
) STRICT, WITHOUT ROWID;
";

/// A row of `jobs` is read whole whenever a search passes it, so that results have a table of their own;
/// the next job is found in indexes alone.
const RESULTS_APART: &str = "
CREATE TABLE results (
    job BLOB PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;
INSERT INTO results SELECT id, result FROM jobs WHERE result IS NOT NULL;
ALTER TABLE jobs DROP COLUMN result;
DROP INDEX unfinished;
DROP INDEX waiting;
CREATE INDEX waiting ON jobs (tenant, accepted) WHERE state = 0;
CREATE INDEX running ON jobs (lease) WHERE state = 1;
";

/// What is to be forgotten is found without looking at everything that is not.
const OLDEST_FIRST: &str = "
CREATE INDEX noted ON idempotency (at);
CREATE INDEX used ON key_sets (used);
";

/// The span of the request that a job came with.
const TRACES: &str = "ALTER TABLE jobs ADD COLUMN trace TEXT;";

/// Copies of keys whose bytes are in files, in parts, and how many bytes each set has there.
const STAGED_KEYS: &str = "
CREATE TABLE staged_sets (
    key_set BLOB PRIMARY KEY,
    bytes INTEGER NOT NULL,
    used INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE staged_keys (
    key_set BLOB NOT NULL,
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (key_set, name, number)
) STRICT;
";

/// How often the store has failed a job, in all and in the middle of its evaluation, and when it may be taken again, which the index of those that wait has too.
const PUT_OFF: &str = "
ALTER TABLE jobs ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN midway INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN not_before INTEGER NOT NULL DEFAULT 0;
DROP INDEX waiting;
CREATE INDEX waiting ON jobs (tenant, accepted, id, not_before) WHERE state = 0;
";
