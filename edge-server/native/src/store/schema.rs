//! The tables, their version, and how connections are opened.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

/// Version of the tables below, kept in SQLite's `user_version`.
const VERSION: i64 = 1;

const TABLES: &str = "
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

/// The store could not be opened.
#[derive(Debug)]
pub enum OpenError {
    /// The directory cannot be made.
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// SQLite refuses the file.
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: rusqlite::Error,
    },
    /// The file was written by a newer server, and stays as it is.
    Newer {
        /// The file.
        path: PathBuf,
        /// The version that this server writes.
        expected: i64,
        /// The version of the file.
        found: i64,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory { path, reason } => write!(f, "{}: {reason}", path.display()),
            Self::Sqlite { path, reason } => write!(f, "{}: {reason}", path.display()),
            Self::Newer { path, expected, found } => write!(
                f,
                "{}: written by a newer server (store version {found}, this one knows {expected}); left as it is",
                path.display()
            ),
        }
    }
}

impl std::error::Error for OpenError {}

/// Opens the connection that writes; makes the tables where there are none.
pub(super) fn open_writer(directory: &Path, path: &Path) -> Result<Connection, OpenError> {
    fs::create_dir_all(directory)
        .map_err(|reason| OpenError::Directory { path: directory.to_owned(), reason })?;
    let wrong = |reason| OpenError::Sqlite { path: path.to_owned(), reason };
    let mut connection = Connection::open(path).map_err(wrong)?;
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(wrong)?;
    if found > VERSION {
        return Err(OpenError::Newer { path: path.to_owned(), expected: VERSION, found });
    }
    configure(&connection).map_err(wrong)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(wrong)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(wrong)?;
    if found == 0 {
        let mut make = || {
            let transaction = connection.transaction()?;
            transaction.execute_batch(TABLES)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
            transaction.commit()
        };
        make().map_err(wrong)?;
    }
    Ok(connection)
}

/// Opens a connection that reads.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    configure(&connection)?;
    Ok(connection)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(32);
    connection.busy_timeout(Duration::from_secs(10))
}

/// Writes something that need not have reached the disk when the call returns.
pub(super) fn lazily<T>(
    writer: &mut Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    writer.pragma_update(None, "synchronous", "NORMAL")?;
    let value = work(writer);
    writer.pragma_update(None, "synchronous", "FULL")?;
    value
}
