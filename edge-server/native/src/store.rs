//! The embedded store: one SQLite file, written ahead (WAL).
//!
//! What a call has acknowledged is on disk: the writer runs with `synchronous=FULL`. Writes of one
//! moment share a commit. Reads have connections of their own, on tokio's blocking threads, and never
//! wait for the writer.

mod connection;
mod schema;
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
        Claim, Claimed, Failure, Full, Horizon, Idempotency, Inserted, Job, JobRequest, KeyQuota, KeySet,
        PutKey, PutOff, QueueBounds, QueueLengths, Remembered, StagedKeys, Store, StoreError, Swept, Usage,
    },
};
use edge_server_sqlite::{self as sqlite, Database, KeyFile, Value};
use rusqlite::Connection;

use self::{
    connection::Sql,
    writer::{Durability, Writer},
};

pub use self::schema::OpenError;

/// Connections for reading.
const READERS: usize = 4;

/// The most pages that are given back to the file system at a time: 4 MiB.
const STEP_PAGES: u64 = 1024;

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

type Result<T> = std::result::Result<T, StoreError>;

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
        if path.exists() { Self::open_beside(directory) } else { Err(OpenError::Missing { path }) }
    }

    /// The same, but makes one if there is none: for tokens that are made before the first start.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn attach_or_make(directory: &Path) -> std::result::Result<Self, OpenError> {
        let failed = |reason| OpenError::Directory { path: directory.to_owned(), reason };
        schema::make(directory).map_err(failed)?;
        Self::open_beside(directory)
    }

    /// Opens the store beside the server that may be using it, whose tables are not changed under it.
    fn open_beside(directory: &Path) -> std::result::Result<Self, OpenError> {
        let lock = schema::lock_if_older(directory, &directory.join(FILE))?;
        let store = Self::open_file(directory, None);
        // The tables are up to date now, and a server may start.
        drop(lock);
        store
    }

    fn open_file(directory: &Path, lock: Option<File>) -> std::result::Result<Self, OpenError> {
        let path = directory.join(FILE);
        let writer = Writer::start(schema::open_writer(&path)?)
            .map_err(|reason| OpenError::Directory { path: path.clone(), reason })?;
        let connections = Connections { writer, readers: Mutex::default(), path, _lock: lock };
        Ok(Self(Arc::new(connections)))
    }

    /// Writes a copy of the whole store, as of one moment, to a file that is empty or does not exist yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn back_up(&self, to: PathBuf) -> Result<()> {
        self.read(move |sql| sql.run("VACUUM INTO ?1", &[Value::Text(&to.to_string_lossy())]).map(drop)).await
    }

    /// Runs a transaction that is on disk when the call returns. `work` may run twice, the first time
    /// without effect.
    async fn write<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&Sql<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.0.writer.write(Durability::Disk, move |transaction| work(&Sql(transaction))).await
    }

    /// Runs a transaction that need not have reached the disk when the call returns.
    async fn write_lazily<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&Sql<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.0.writer.write(Durability::Process, move |transaction| work(&Sql(transaction))).await
    }

    /// Gives free pages back to the file system, in steps between which others write.
    async fn give_pages_back(&self) -> Result<()> {
        let step = format!("PRAGMA incremental_vacuum({STEP_PAGES})");
        let mut free = u64::MAX;
        loop {
            let step = step.clone();
            let left = self
                .write_lazily(move |sql| {
                    sql.run(&step, &[])?;
                    sql.count("PRAGMA freelist_count", &[])
                })
                .await?;
            // A file that keeps its pages has been made so.
            if left == 0 || left >= free {
                return Ok(());
            }
            free = left;
        }
    }

    /// Runs a query on a connection for reading.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Sql<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let connections = Arc::clone(&self.0);
        blocking(move || connections.read(work)).await?
    }
}

impl Connections {
    /// Runs a query in this thread.
    fn read<T>(&self, work: impl FnOnce(&Sql<'_>) -> Result<T>) -> Result<T> {
        let free = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let reader = match free {
            Some(reader) => reader,
            None => schema::open_reader(&self.path).map_err(StoreError::new)?,
        };
        let value = work(&Sql(&reader))?;
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < READERS {
            readers.push(reader);
        }
        Ok(value)
    }
}

/// Keys of a tenant's set, read in the thread that asks.
#[derive(Debug)]
pub struct SetReader {
    store: SqliteStore,
    tenant: TenantId,
    set: KeySetId,
}

impl StagedKeys for SetReader {
    fn key(&self, name: KeyName) -> Result<Option<Bytes>> {
        let found = self.store.0.read(|sql| sqlite::key(sql, &self.tenant, self.set, name))?;
        Ok(found.map(|(_, bytes)| bytes))
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(StoreError::new)
}

impl Store for SqliteStore {
    type StagedKeys = SetReader;

    async fn insert_job(
        &self,
        job: JobRequest,
        inputs: Vec<Bytes>,
        idempotency: Option<Idempotency>,
        bounds: QueueBounds,
    ) -> Result<Inserted<Full>> {
        self.write(move |sql| sqlite::insert_job(sql, &job, &inputs, idempotency.as_ref(), bounds)).await
    }

    async fn job(&self, tenant: &TenantId, id: JobId) -> Result<Option<Job>> {
        let tenant = tenant.clone();
        self.read(move |sql| sqlite::job(sql, &tenant, id)).await
    }

    async fn claim_job(&self, claim: Claim) -> Result<Claimed> {
        // A job that was running when the power failed runs again, as one that waited does, so that
        // nothing is lost when this step is.
        self.write_lazily(move |sql| sqlite::claim_job(sql, claim)).await
    }

    async fn start_again(&self, claim: Claim, id: JobId) -> Result<bool> {
        // Before it starts: if it takes the machine with it, that has been counted.
        self.write(move |sql| sqlite::start_again(sql, claim, id)).await
    }

    async fn give_back(
        &self,
        claim: Claim,
        id: JobId,
        interrupted: u32,
        put_off: Option<PutOff>,
    ) -> Result<()> {
        self.write_lazily(move |sql| sqlite::give_back(sql, claim, id, interrupted, put_off)).await
    }

    async fn renew_leases(&self, claim: Claim, jobs: Vec<JobId>) -> Result<()> {
        self.write_lazily(move |sql| sqlite::renew_leases(sql, claim, &jobs)).await
    }

    async fn finish_job(
        &self,
        id: JobId,
        outcome: std::result::Result<Bytes, Failure>,
        at: Timestamp,
    ) -> Result<()> {
        self.write(move |sql| sqlite::finish_job(sql, id, &outcome, at)).await
    }

    async fn delete_job(&self, tenant: &TenantId, id: JobId) -> Result<bool> {
        let tenant = tenant.clone();
        self.write(move |sql| sqlite::delete_job(sql, &tenant, id)).await
    }

    async fn release_jobs(&self) -> Result<u64> {
        self.write(|sql| sqlite::release_jobs(sql)).await
    }

    async fn queue(&self) -> Result<QueueLengths> {
        self.read(|sql| sqlite::queue(sql)).await
    }

    async fn insert_key_set(
        &self,
        set: KeySet,
        idempotency: Option<Idempotency>,
        quota: KeyQuota,
    ) -> Result<Inserted<Usage>> {
        self.write(move |sql| sqlite::insert_key_set(sql, &set, idempotency.as_ref(), quota)).await
    }

    async fn key_set(&self, tenant: &TenantId, id: KeySetId) -> Result<Option<KeySet>> {
        let tenant = tenant.clone();
        self.read(move |sql| sqlite::key_set(sql, &tenant, id)).await
    }

    async fn put_key(&self, tenant: &TenantId, id: KeySetId, name: KeyName, bytes: Bytes) -> Result<PutKey> {
        let tenant = tenant.clone();
        // Away from the thread that everybody's writes wait for.
        let hashed = bytes.clone();
        let file = blocking(move || KeyFile::of(id, name, &hashed)).await?;
        let length = bytes.len() as u64;
        self.write(move |sql| sqlite::put_key(sql, &tenant, file, length, &bytes)).await
    }

    async fn key(&self, tenant: &TenantId, id: KeySetId, name: KeyName) -> Result<Option<Bytes>> {
        let tenant = tenant.clone();
        let found = self.read(move |sql| sqlite::key(sql, &tenant, id, name)).await?;
        Ok(found.map(|(_, bytes)| bytes))
    }

    async fn stage_keys(&self, tenant: &TenantId, id: KeySetId, _: Vec<KeyName>) -> Result<SetReader> {
        Ok(SetReader { store: self.clone(), tenant: tenant.clone(), set: id })
    }

    async fn delete_key_set(&self, tenant: &TenantId, id: KeySetId) -> Result<bool> {
        let tenant = tenant.clone();
        Ok(self.write(move |sql| sqlite::delete_key_set(sql, &tenant, id)).await?.is_some())
    }

    async fn remembered(&self, tenant: &TenantId, key: &str) -> Result<Option<Remembered>> {
        let (tenant, key) = (tenant.clone(), key.to_owned());
        self.read(move |sql| sqlite::recall(sql, &tenant, &key)).await
    }

    async fn usage(&self, tenant: &TenantId) -> Result<Usage> {
        let tenant = tenant.clone();
        self.read(move |sql| sqlite::usage(sql, &tenant)).await
    }

    async fn token(&self, hash: [u8; 32]) -> Result<Option<TokenRecord>> {
        self.read(move |sql| sqlite::token(sql, hash)).await
    }

    async fn insert_token(&self, token: TokenRecord) -> Result<()> {
        self.write(move |sql| sqlite::insert_token(sql, &token)).await
    }

    async fn tokens(&self) -> Result<Vec<TokenRecord>> {
        self.read(|sql| sqlite::tokens(sql)).await
    }

    async fn delete_token(&self, hash: [u8; 32]) -> Result<bool> {
        self.write(move |sql| sqlite::delete_token(sql, hash)).await
    }

    async fn sweep(&self, horizon: Horizon) -> Result<Swept> {
        let mut swept = Swept::default();
        loop {
            // What a power failure brings back is forgotten again.
            let step = self.write_lazily(move |sql| sqlite::sweep_step(sql, horizon)).await?;
            swept += step.swept;
            if step.is_last {
                break;
            }
        }
        if swept != Swept::default() {
            self.give_pages_back().await?;
        }
        Ok(swept)
    }
}

#[cfg(test)]
mod tests;
