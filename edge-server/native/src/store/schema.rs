//! How connections are opened, and tables brought up to date; SQLite's `user_version` keeps their version.

use std::{
    fmt,
    fs::{DirBuilder, File, TryLockError},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use edge_server_sqlite::{MIGRATIONS, VERSION};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

/// Beyond this length, in bytes, the file of written-ahead pages is cut when it has been read in.
const WAL_BYTES: i64 = 64 << 20;

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
    /// There is no store.
    Missing {
        /// Where it would be.
        path: PathBuf,
    },
    /// SQLite refuses the file.
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: rusqlite::Error,
    },
    /// Another server has the directory.
    InUse {
        /// The file that it has locked.
        path: PathBuf,
    },
    /// The tables are older than this program, and a server that knows only these uses them.
    Older {
        /// The file.
        path: PathBuf,
        /// The version that this program writes.
        expected: i64,
        /// The version of the file.
        found: i64,
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
            Self::Missing { path } => {
                write!(f, "{}: there is no store; is it another directory?", path.display())
            }
            Self::Sqlite { path, reason } => write!(f, "{}: {reason}", path.display()),
            Self::InUse { path } => {
                write!(f, "{}: another server uses this directory; stop it first", path.display())
            }
            Self::Older { path, expected, found } => write!(
                f,
                "{}: used by an older server (store version {found}, this program writes {expected}); \
                 stop it first, or use its own program",
                path.display()
            ),
            Self::Newer { path, expected, found } => write!(
                f,
                "{}: written by a newer server (store version {found}, this one knows {expected}); left as it is",
                path.display()
            ),
        }
    }
}

impl std::error::Error for OpenError {}

/// Makes a directory that nobody else may look into, unless it is there.
pub(super) fn make(directory: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(directory)
}

/// Locks a directory, which is made if there is none, against other servers. The lock goes with the
/// file, and with the process however it ends.
pub(super) fn lock(directory: &Path) -> Result<File, OpenError> {
    let failed = |reason| OpenError::Directory { path: directory.to_owned(), reason };
    make(directory).map_err(failed)?;
    let path = directory.join("lock");
    let file = File::create(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path }),
        Err(TryLockError::Error(reason)) => Err(failed(reason)),
    }
}

/// Locks a directory in which the store would have to be brought up to date, so that no server uses it
/// meanwhile; nothing if it is up to date, or not made yet.
pub(super) fn lock_if_older(directory: &Path, path: &Path) -> Result<Option<File>, OpenError> {
    if !path.exists() {
        return Ok(None);
    }
    let wrong = |reason| OpenError::Sqlite { path: path.to_owned(), reason };
    let found = version(&open_reader(path).map_err(wrong)?).map_err(wrong)?;
    if !(1..VERSION).contains(&found) {
        return Ok(None);
    }
    match lock(directory) {
        Err(OpenError::InUse { .. }) => {
            Err(OpenError::Older { path: path.to_owned(), expected: VERSION, found })
        }
        lock => lock.map(Some),
    }
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Opens the connection that writes; brings the tables to this server's version.
pub(super) fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    let wrong = |reason| OpenError::Sqlite { path: path.to_owned(), reason };
    let mut connection = Connection::open(path).map_err(wrong)?;
    configure(&connection).map_err(wrong)?;
    let found = version(&connection).map_err(wrong)?;
    if found > VERSION {
        return Err(OpenError::Newer { path: path.to_owned(), expected: VERSION, found });
    }
    if found == 0 {
        // Takes effect only before the first table is made.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(wrong)?;
    }
    connection.pragma_update(None, "journal_mode", "WAL").map_err(wrong)?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES).map_err(wrong)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(wrong)?;
    for (step, to) in MIGRATIONS.iter().zip(1..).skip(usize::try_from(found).unwrap_or_default()) {
        migrate(&mut connection, step, to).map_err(wrong)?;
    }
    Ok(connection)
}

/// Takes one step as a whole or not at all; does nothing when another process was faster.
fn migrate(connection: &mut Connection, step: &str, to: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    if found < to {
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", to)?;
        tracing::info!(from = found, to, "the store's tables are brought up to date");
    }
    transaction.commit()
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
