//! The embedded store: one SQLite file, written ahead (WAL).
//!
//! What a call has acknowledged is on disk: the writer runs with `synchronous=FULL`. Reads have
//! connections of their own and never wait for the writer. Every call runs on tokio's blocking
//! threads.

mod jobs;
mod keys;
mod schema;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use edge_server::{
    JobId, KeyName, KeySetId, TenantId,
    store::{
        Failure, Idempotency, Inserted, Job, JobRequest, KeySet, Made, PutKey, Remembered, Store, StoreError,
    },
};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

pub use self::schema::OpenError;

/// Connections for reading.
const READERS: usize = 4;

/// A store in one SQLite file. Clones share it.
#[derive(Clone, Debug)]
pub struct SqliteStore(Arc<Connections>);

#[derive(Debug)]
struct Connections {
    writer: Mutex<Connection>,
    /// Free connections for reading; the vector never holds more than [`READERS`].
    readers: Mutex<Vec<Connection>>,
    path: std::path::PathBuf,
}

/// A failure inside a call.
type Result<T, E = rusqlite::Error> = std::result::Result<T, E>;

impl SqliteStore {
    /// Opens the store in a directory, or makes one there.
    ///
    /// # Errors
    /// [`OpenError`]; a store of a newer version is left alone.
    pub fn open(directory: &Path) -> std::result::Result<Self, OpenError> {
        let path = directory.join("edge-server.sqlite");
        let writer = schema::open_writer(directory, &path)?;
        let connections = Connections { writer: Mutex::new(writer), readers: Mutex::new(Vec::new()), path };
        Ok(Self(Arc::new(connections)))
    }

    /// Runs a transaction on the writer.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, StoreError> {
        let connections = Arc::clone(&self.0);
        blocking(move || {
            let mut writer = connections.writer.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })
        .await
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

/// Notes an idempotent request, unless its key is taken.
fn remember(
    transaction: &Transaction<'_>,
    tenant: &TenantId,
    idempotency: Option<&Idempotency>,
    made: Made,
) -> Result<Inserted> {
    let Some(Idempotency { key, fingerprint }) = idempotency else { return Ok(Inserted::New) };
    if let Some(earlier) = recall(transaction, tenant, key)? {
        return Ok(Inserted::Remembered(earlier));
    }
    let (kind, id) = match made {
        Made::Job(id) => (0, id.to_bytes()),
        Made::KeySet(id) => (1, id.to_bytes()),
    };
    transaction
        .prepare_cached(
            "INSERT INTO idempotency (tenant, key, fingerprint, kind, made) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![tenant.as_str(), key, fingerprint, kind, id])?;
    Ok(Inserted::New)
}

fn recall(connection: &Connection, tenant: &TenantId, key: &str) -> Result<Option<Remembered>> {
    connection
        .prepare_cached("SELECT fingerprint, kind, made FROM idempotency WHERE tenant = ?1 AND key = ?2")?
        .query_row(params![tenant.as_str(), key], |row| {
            let id = row.get(2)?;
            let made = match row.get::<_, i64>(1)? {
                0 => Made::Job(JobId::from_bytes(id)),
                1 => Made::KeySet(KeySetId::from_bytes(id)),
                _ => return Err(damaged("idempotency record")),
            };
            Ok(Remembered { fingerprint: row.get(0)?, made })
        })
        .optional()
}

impl Store for SqliteStore {
    async fn insert_job(
        &self,
        job: JobRequest,
        inputs: Vec<Bytes>,
        idempotency: Option<Idempotency>,
    ) -> std::result::Result<Inserted, StoreError> {
        self.write(move |transaction| {
            let inserted = remember(transaction, &job.tenant, idempotency.as_ref(), Made::Job(job.id))?;
            if inserted == Inserted::New {
                jobs::insert(transaction, &job, &inputs)?;
            }
            Ok(inserted)
        })
        .await
    }

    async fn job(&self, tenant: &TenantId, id: JobId) -> std::result::Result<Option<Job>, StoreError> {
        let tenant = tenant.clone();
        self.read(move |connection| jobs::read(connection, &tenant, id)).await
    }

    async fn start_job(
        &self,
        id: JobId,
    ) -> std::result::Result<Option<(JobRequest, Vec<Bytes>)>, StoreError> {
        // A job that is running at a restart runs again, as one that is queued does, so that
        // nothing is lost when this step is: it alone may skip the wait for the disk.
        let connections = Arc::clone(&self.0);
        blocking(move || {
            let mut writer = connections.writer.lock().unwrap_or_else(PoisonError::into_inner);
            schema::lazily(&mut writer, |writer| jobs::start(writer, id))
        })
        .await
    }

    async fn finish_job(
        &self,
        id: JobId,
        outcome: std::result::Result<Bytes, Failure>,
    ) -> std::result::Result<(), StoreError> {
        self.write(move |transaction| jobs::finish(transaction, id, &outcome)).await
    }

    async fn unfinished_jobs(&self) -> std::result::Result<Vec<JobId>, StoreError> {
        self.read(jobs::unfinished).await
    }

    async fn insert_key_set(
        &self,
        set: KeySet,
        idempotency: Option<Idempotency>,
    ) -> std::result::Result<Inserted, StoreError> {
        self.write(move |transaction| {
            let inserted = remember(transaction, &set.tenant, idempotency.as_ref(), Made::KeySet(set.id))?;
            if inserted == Inserted::New {
                keys::insert_set(transaction, &set)?;
            }
            Ok(inserted)
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
        self.write(move |transaction| keys::put(transaction, &tenant, id, name, &bytes)).await
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
        self.read(move |connection| recall(connection, &tenant, &key)).await
    }
}

#[cfg(test)]
mod tests;
