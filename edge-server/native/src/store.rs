//! The embedded store: one SQLite file, written ahead (WAL).
//!
//! What a call has acknowledged is on disk: the writer runs with `synchronous=FULL`. Writes of one
//! moment share a commit. Reads have connections of their own, on tokio's blocking threads, and never
//! wait for the writer.

mod idempotency;
mod jobs;
mod keys;
mod schema;
mod tokens;
mod writer;

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use edge_server::{
    JobId, KeyName, KeySetId, TenantId, TokenRecord,
    port::Timestamp,
    store::{
        Claim, ClaimedJob, Failure, Full, Horizon, Idempotency, Inserted, Job, JobRequest, KeyQuota, KeySet,
        Made, PutKey, QueueBounds, QueueLengths, Remembered, Store, StoreError, Swept, Usage,
    },
};
use rusqlite::{Connection, Transaction};
use sha2::{Digest, Sha256};

use self::writer::{Durability, Writer};

pub use self::schema::OpenError;

/// Connections for reading.
const READERS: usize = 4;

/// Name of the file in its directory.
const FILE: &str = "edge-server.sqlite";

/// A store in one SQLite file. Clones share it.
#[derive(Clone, Debug)]
pub struct SqliteStore(Arc<Connections>);

#[derive(Debug)]
struct Connections {
    writer: Writer,
    /// Free connections for reading; the vector never holds more than [`READERS`].
    readers: Mutex<Vec<Connection>>,
    path: PathBuf,
    /// Held by the one server that may use the directory.
    _lock: Option<File>,
}

/// A failure inside a call.
type Result<T, E = rusqlite::Error> = std::result::Result<T, E>;

impl SqliteStore {
    /// Opens the store in a directory, or makes one there, for the one server that may use it.
    ///
    /// # Errors
    /// [`OpenError`]; a store of a newer version is left alone.
    pub fn open(directory: &Path) -> std::result::Result<Self, OpenError> {
        let lock = schema::lock(directory)?;
        Self::open_file(directory, Some(lock))
    }

    /// Opens the store that is in a directory, beside the server that may be using it.
    ///
    /// # Errors
    /// [`OpenError`]; also when there is none.
    pub fn attach(directory: &Path) -> std::result::Result<Self, OpenError> {
        let path = directory.join(FILE);
        if path.exists() { Self::open_file(directory, None) } else { Err(OpenError::Missing { path }) }
    }

    /// The same, but makes one if there is none: for tokens that are made before the first start.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn attach_or_make(directory: &Path) -> std::result::Result<Self, OpenError> {
        let failed = |reason| OpenError::Directory { path: directory.to_owned(), reason };
        schema::make(directory).map_err(failed)?;
        Self::open_file(directory, None)
    }

    fn open_file(directory: &Path, lock: Option<File>) -> std::result::Result<Self, OpenError> {
        let path = directory.join(FILE);
        let writer = Writer::start(schema::open_writer(&path)?)
            .map_err(|reason| OpenError::Directory { path: path.clone(), reason })?;
        let connections = Connections { writer, readers: Mutex::default(), path, _lock: lock };
        Ok(Self(Arc::new(connections)))
    }

    /// Writes a copy of the whole store, as of one moment, to a file that does not exist yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn back_up(&self, to: PathBuf) -> std::result::Result<(), StoreError> {
        self.read(move |connection| connection.execute("VACUUM INTO ?1", [to.to_string_lossy()]).map(drop))
            .await
    }

    /// Runs a transaction that is on disk when the call returns. `work` may run twice, the first time
    /// without effect.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, StoreError> {
        self.0.writer.write(Durability::Disk, work).await
    }

    /// Runs a transaction that need not have reached the disk when the call returns.
    async fn write_lazily<T: Send + 'static>(
        &self,
        work: impl FnMut(&Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, StoreError> {
        self.0.writer.write(Durability::Process, work).await
    }

    /// Runs a query on a connection for reading.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, StoreError> {
        let connections = Arc::clone(&self.0);
        blocking(move || {
            let free = connections.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let reader = match free {
                Some(reader) => reader,
                None => schema::open_reader(&connections.path)?,
            };
            let value = work(&reader)?;
            let mut readers = connections.readers.lock().unwrap_or_else(PoisonError::into_inner);
            if readers.len() < READERS {
                readers.push(reader);
            }
            Ok(value)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> std::result::Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(StoreError::new)?.map_err(StoreError::new)
}

/// Reports a stored value that this version cannot have written.
fn damaged(what: &'static str) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(format!("the store holds an unreadable {what}").into())
}

/// A time as it is stored.
fn number(time: Timestamp) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

/// Takes back what [`number`] gave.
fn timestamp(number: i64) -> Timestamp {
    Timestamp(number.max(0).cast_unsigned())
}

impl Store for SqliteStore {
    async fn insert_job(
        &self,
        job: JobRequest,
        inputs: Vec<Bytes>,
        idempotency: Option<Idempotency>,
        bounds: QueueBounds,
    ) -> std::result::Result<Inserted<Full>, StoreError> {
        self.write(move |transaction| {
            if let Some(earlier) = recall(transaction, &job.tenant, idempotency.as_ref())? {
                return Ok(Inserted::Remembered(earlier));
            }
            if let Some(full) = jobs::full(transaction, &job.tenant, bounds)? {
                return Ok(Inserted::Refused(full));
            }
            if let Some(idempotency) = &idempotency {
                let made = Made::Job(job.id);
                idempotency::remember(transaction, &job.tenant, idempotency, made, job.accepted)?;
            }
            if let Some(set) = job.key_set {
                keys::touch(transaction, set, job.accepted)?;
            }
            jobs::insert(transaction, &job, &inputs)?;
            Ok(Inserted::New)
        })
        .await
    }

    async fn job(&self, tenant: &TenantId, id: JobId) -> std::result::Result<Option<Job>, StoreError> {
        let tenant = tenant.clone();
        self.read(move |connection| jobs::read(connection, &tenant, id)).await
    }

    async fn claim_job(&self, claim: Claim) -> std::result::Result<Option<ClaimedJob>, StoreError> {
        // A job that was running when the power failed runs again, as one that waited does, so that
        // nothing is lost when this step is.
        self.write_lazily(move |transaction| jobs::claim(transaction, claim)).await
    }

    async fn start_again(&self, claim: Claim, id: JobId) -> std::result::Result<bool, StoreError> {
        self.write_lazily(move |transaction| jobs::start_again(transaction, claim, id)).await
    }

    async fn renew_leases(&self, claim: Claim, jobs: Vec<JobId>) -> std::result::Result<(), StoreError> {
        self.write_lazily(move |transaction| jobs::renew(transaction, claim, &jobs)).await
    }

    async fn finish_job(
        &self,
        id: JobId,
        outcome: std::result::Result<Bytes, Failure>,
        at: Timestamp,
    ) -> std::result::Result<(), StoreError> {
        self.write(move |transaction| jobs::finish(transaction, id, &outcome, at)).await
    }

    async fn delete_job(&self, tenant: &TenantId, id: JobId) -> std::result::Result<bool, StoreError> {
        let tenant = tenant.clone();
        self.write(move |transaction| jobs::delete(transaction, &tenant, id)).await
    }

    async fn release_jobs(&self) -> std::result::Result<u64, StoreError> {
        self.write(jobs::release).await
    }

    async fn queue(&self) -> std::result::Result<QueueLengths, StoreError> {
        self.read(jobs::queue).await
    }

    async fn insert_key_set(
        &self,
        set: KeySet,
        idempotency: Option<Idempotency>,
        quota: KeyQuota,
    ) -> std::result::Result<Inserted<Usage>, StoreError> {
        self.write(move |transaction| {
            if let Some(earlier) = recall(transaction, &set.tenant, idempotency.as_ref())? {
                return Ok(Inserted::Remembered(earlier));
            }
            let usage = keys::usage(transaction, &set.tenant)?;
            if !quota.allows(usage, set.announced) {
                return Ok(Inserted::Refused(usage));
            }
            if let Some(idempotency) = &idempotency {
                let made = Made::KeySet(set.id);
                idempotency::remember(transaction, &set.tenant, idempotency, made, set.opened)?;
            }
            keys::insert_set(transaction, &set)?;
            Ok(Inserted::New)
        })
        .await
    }

    async fn key_set(
        &self,
        tenant: &TenantId,
        id: KeySetId,
    ) -> std::result::Result<Option<KeySet>, StoreError> {
        let tenant = tenant.clone();
        self.read(move |connection| keys::read_set(connection, &tenant, id)).await
    }

    async fn put_key(
        &self,
        tenant: &TenantId,
        id: KeySetId,
        name: KeyName,
        bytes: Bytes,
    ) -> std::result::Result<PutKey, StoreError> {
        let tenant = tenant.clone();
        // Away from the thread that everybody's writes wait for.
        let hashed = bytes.clone();
        let sha256 = blocking(move || Ok(Sha256::digest(hashed).into())).await?;
        self.write(move |transaction| keys::put(transaction, &tenant, id, name, &bytes, sha256)).await
    }

    async fn key(
        &self,
        tenant: &TenantId,
        id: KeySetId,
        name: KeyName,
    ) -> std::result::Result<Option<Bytes>, StoreError> {
        let tenant = tenant.clone();
        self.read(move |connection| keys::read(connection, &tenant, id, name)).await
    }

    async fn delete_key_set(&self, tenant: &TenantId, id: KeySetId) -> std::result::Result<bool, StoreError> {
        let tenant = tenant.clone();
        self.write(move |transaction| keys::delete_set(transaction, &tenant, id)).await
    }

    async fn remembered(
        &self,
        tenant: &TenantId,
        key: &str,
    ) -> std::result::Result<Option<Remembered>, StoreError> {
        let (tenant, key) = (tenant.clone(), key.to_owned());
        self.read(move |connection| idempotency::recall(connection, &tenant, &key)).await
    }

    async fn usage(&self, tenant: &TenantId) -> std::result::Result<Usage, StoreError> {
        let tenant = tenant.clone();
        self.read(move |connection| keys::usage(connection, &tenant)).await
    }

    async fn token(&self, hash: [u8; 32]) -> std::result::Result<Option<TokenRecord>, StoreError> {
        self.read(move |connection| tokens::find(connection, hash)).await
    }

    async fn insert_token(&self, token: TokenRecord) -> std::result::Result<(), StoreError> {
        self.write(move |transaction| tokens::insert(transaction, &token)).await
    }

    async fn tokens(&self) -> std::result::Result<Vec<TokenRecord>, StoreError> {
        self.read(tokens::list).await
    }

    async fn delete_token(&self, hash: [u8; 32]) -> std::result::Result<bool, StoreError> {
        self.write(move |transaction| tokens::delete(transaction, hash)).await
    }

    async fn sweep(&self, horizon: Horizon) -> std::result::Result<Swept, StoreError> {
        let swept = self
            .write(move |transaction| {
                idempotency::sweep(transaction, horizon.finished)?;
                Ok(Swept {
                    jobs: jobs::sweep(transaction, horizon.finished)?,
                    key_sets: keys::sweep(transaction, horizon.key_sets)?,
                })
            })
            .await?;
        if swept != Swept::default() {
            // Gives free pages back to the file system.
            self.write(|transaction| transaction.execute_batch("PRAGMA incremental_vacuum")).await?;
        }
        Ok(swept)
    }
}

/// What an earlier request with this idempotency key made.
fn recall(
    connection: &Connection,
    tenant: &TenantId,
    idempotency: Option<&Idempotency>,
) -> Result<Option<Remembered>> {
    idempotency.map_or(Ok(None), |idempotency| idempotency::recall(connection, tenant, &idempotency.key))
}

#[cfg(test)]
mod tests;
