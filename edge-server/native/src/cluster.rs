//! The store that several servers share: jobs, tenants and everything small in PostgreSQL, keys, inputs
//! and results in an S3-compatible object store.
//!
//! Any server accepts, any free one evaluates: a job is claimed with `FOR UPDATE SKIP LOCKED` under a
//! lease by the database's clock. An object is written before the row that names it and deleted after it, so
//! that a row never names nothing; what a failure between the two leaves behind is rubbish, and never read.

mod error;
mod idempotency;
mod jobs;
mod keys;
mod notices;
mod objects;
mod schema;
mod spool;
mod tls;
mod tokens;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use edge_server::{
    Code, JobId, KeyName, KeySetId, TenantId, TokenRecord,
    port::Timestamp,
    store::{
        Claim, Claimed, ClaimedJob, Failure, Full, Horizon, Idempotency, Inserted, Job, JobRequest, JobState,
        KeyQuota, KeySet, PutKey, PutOff, QueueBounds, QueueLengths, Remembered, Store, StoreError, Swept,
        Usage,
    },
};
use sha2::{Digest, Sha256};
use tokio_postgres::{Config, Row};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::RootCertStore;

pub use self::{error::ClusterError, notices::Notice, spool::SpooledKeys};
use self::{idempotency::recall, jobs::Taken, objects::Objects};

/// Connections of one server.
const CONNECTIONS: usize = 16;

/// How long the database's machine may be silent, if its address does not say otherwise.
const ANSWER: Duration = Duration::from_secs(10);

/// Rows of a table that one step of a sweep forgets.
const SWEEP_ROWS: u64 = 256;

/// A store in PostgreSQL and an object store. Clones share it.
#[derive(Clone, Debug)]
pub struct ClusterStore(Arc<Shared>);

struct Shared {
    pool: Pool,
    config: Config,
    tls: MakeRustlsConnect,
    objects: Objects,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("objects", &self.objects).finish_non_exhaustive()
    }
}

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// SHA-256 of an object, which its row has and its path ends with.
type Hash = [u8; 32];

impl ClusterStore {
    /// Opens the store at the address of a PostgreSQL database (`postgres://user@host/database`, over TLS with
    /// `?sslmode=require`) and of an object store (`s3://bucket/folder`, its endpoint and credentials in `AWS_…`
    /// variables).
    ///
    /// # Errors
    /// [`ClusterError`]; tables of a newer version are left alone.
    pub async fn open(postgres: &str, objects: &str) -> std::result::Result<Self, ClusterError> {
        Self::open_trusting(postgres, objects, tls::authorities()).await
    }

    async fn open_trusting(
        postgres: &str,
        objects: &str,
        authorities: RootCertStore,
    ) -> std::result::Result<Self, ClusterError> {
        let mut config: Config = postgres.parse().map_err(|error: tokio_postgres::Error| {
            ClusterError::Address { of: "postgres", reason: error.to_string() }
        })?;
        let tls = tls::connector(&mut config, authorities)?;
        // A database behind a line that swallows everything is one that is away.
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(ANSWER);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(ANSWER);
        }
        let objects =
            Objects::new(objects).map_err(|reason| ClusterError::Address { of: "objects", reason })?;
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let pool = Pool::builder(Manager::from_config(config.clone(), tls.clone(), recycling))
            .max_size(CONNECTIONS)
            .wait_timeout(Some(ANSWER))
            .create_timeout(Some(ANSWER))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(StoreError::new)?;
        let store = Self(Arc::new(Shared { pool, config, tls, objects }));
        let mut client = store.client().await?;
        schema::migrate(&mut client).await?;
        drop(client);
        store.objects().check().await?;
        Ok(store)
    }

    async fn client(&self) -> Result<Object> {
        self.0.pool.get().await.map_err(StoreError::new)
    }

    fn objects(&self) -> &Objects {
        &self.0.objects
    }

    /// Reads a key whose row was read; `None` if its set has been deleted since.
    async fn read_key(
        &self,
        tenant: &TenantId,
        id: KeySetId,
        name: KeyName,
        hash: Hash,
    ) -> Result<Option<Bytes>> {
        match self.objects().key(id, name, hash).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) => match keys::hash(&**self.client().await?, tenant, id, name).await? {
                Some(_) => Err(error),
                None => Ok(None),
            },
        }
    }

    /// Finds out whether keys can be brought to this machine's disk.
    pub(crate) fn check_disk(&self) -> Result<()> {
        SpooledKeys::new().map(drop)
    }

    /// Hears what other servers do, for as long as the process lives.
    pub fn listen(&self, heard: impl Fn(Notice) + Send + Sync + 'static) -> tokio::task::JoinHandle<()> {
        tokio::spawn(notices::listen(self.0.config.clone(), self.0.tls.clone(), heard))
    }
}

/// Reports a stored value that this version cannot have written.
fn damaged(what: &'static str) -> StoreError {
    StoreError::new(format!("the store holds an unreadable {what}"))
}

fn failed(error: tokio_postgres::Error) -> StoreError {
    StoreError::new(error)
}

/// A time as it is stored.
fn number(time: Timestamp) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

/// Takes back what [`number`] gave.
fn timestamp(number: i64) -> Timestamp {
    Timestamp(number.max(0).cast_unsigned())
}

/// The identifier in a column.
fn id(row: &Row, column: usize) -> Result<[u8; 16]> {
    row.get::<_, &[u8]>(column).try_into().map_err(|_| damaged("identifier"))
}

/// Why a job fails whose row is there and whose inputs are not.
fn inputs_gone() -> Failure {
    let detail = "The inputs of the job are not in the store any more.".to_owned();
    Failure { code: Code::EvaluationFailed, detail }
}

impl Store for ClusterStore {
    /// Objects cannot be read without waiting, so that they are brought to this machine's disk.
    type StagedKeys = SpooledKeys;

    fn is_shared(&self) -> bool {
        true
    }

    async fn insert_job(
        &self,
        job: JobRequest,
        inputs: Vec<Bytes>,
        idempotency: Option<Idempotency>,
        bounds: QueueBounds,
    ) -> Result<Inserted<Full>> {
        let mut client = self.client().await?;
        // Looked at before the inputs travel, and again when they are there.
        if let Some(Idempotency { key, .. }) = &idempotency
            && let Some(earlier) = recall(&**client, &job.tenant, key).await?
        {
            return Ok(Inserted::Remembered(earlier));
        }
        if let Some(full) = jobs::full(&**client, &job.tenant, bounds).await? {
            return Ok(Inserted::Refused(full));
        }
        self.objects().put_inputs(job.id, &inputs).await?;
        let inserted = jobs::insert(&mut client, &job, inputs.len(), idempotency.as_ref(), bounds).await;
        // After an error the row may be there all the same: a connection that breaks during the commit
        // does not say. Then the inputs are needed, and otherwise they are rubbish.
        if let Ok(Inserted::Remembered(_) | Inserted::Refused(_)) = inserted {
            self.objects().delete_inputs(job.id, inputs.len()).await;
        }
        inserted
    }

    async fn job(&self, tenant: &TenantId, id: JobId) -> Result<Option<Job>> {
        let read = jobs::read(&**self.client().await?, tenant, id).await?;
        let Some((mut job, hash)) = read else { return Ok(None) };
        if let (JobState::Completed { result }, Some(hash)) = (&mut job.state, hash) {
            *result = self.objects().result(id, hash).await?;
        }
        Ok(Some(job))
    }

    async fn claim_job(&self, claim: Claim) -> Result<Claimed> {
        let client = self.client().await?;
        while let Some(Taken { request, inputs, interrupted, failures, midway }) =
            jobs::claim(&**client, claim).await?
        {
            let id = request.id;
            let is_late = claim.now >= request.deadline;
            let claimed =
                |inputs| Claimed::Job(ClaimedJob { request, inputs, interrupted, failures, midway });
            // Whoever takes it sees that before he looks at its inputs.
            if is_late {
                return Ok(claimed(None));
            }
            match self.objects().inputs(id, inputs).await {
                Ok(Some(inputs)) => return Ok(claimed(Some(inputs))),
                // They do not come back, and its tenant's other jobs are not to wait for them.
                Ok(None) => {
                    tracing::error!(%id, "the inputs of a job are gone; it fails");
                    jobs::finish(&**client, id, Err(&inputs_gone()), claim.now).await?;
                }
                Err(error) => {
                    tracing::warn!(%id, reason = %error, "the inputs of a job cannot be read");
                    return Ok(claimed(None));
                }
            }
        }
        Ok(Claimed::Nothing(jobs::until(&**client).await?))
    }

    async fn start_again(&self, claim: Claim, id: JobId) -> Result<bool> {
        jobs::start_again(&**self.client().await?, claim, id).await
    }

    async fn give_back(
        &self,
        claim: Claim,
        id: JobId,
        interrupted: u32,
        put_off: Option<PutOff>,
    ) -> Result<()> {
        jobs::give_back(&**self.client().await?, claim, id, interrupted, put_off).await
    }

    async fn renew_leases(&self, claim: Claim, jobs: Vec<JobId>) -> Result<()> {
        jobs::renew(&**self.client().await?, claim, &jobs).await
    }

    async fn finish_job(
        &self,
        id: JobId,
        outcome: std::result::Result<Bytes, Failure>,
        at: Timestamp,
    ) -> Result<()> {
        let hash = outcome.as_ref().ok().map(|result| Hash::from(Sha256::digest(result)));
        if let (Ok(result), Some(hash)) = (&outcome, hash) {
            self.objects().put_result(id, hash, result).await?;
        }
        let client = self.client().await?;
        let ended = outcome.as_ref().map(|_| hash.unwrap_or_default());
        if let Some(inputs) = jobs::finish(&**client, id, ended, at).await? {
            self.objects().delete_inputs(id, inputs).await;
        } else if let Some(hash) = hash
            && jobs::result(&**client, id).await? != Some(hash)
        {
            // The job was over with another outcome, or is gone.
            self.objects().delete_result(id, hash).await;
        }
        Ok(())
    }

    async fn delete_job(&self, tenant: &TenantId, id: JobId) -> Result<bool> {
        let deleted = jobs::delete(&**self.client().await?, tenant, id).await?;
        let Some((inputs, result)) = deleted else { return Ok(false) };
        self.objects().delete_inputs(id, inputs).await;
        if let Some(hash) = result {
            self.objects().delete_result(id, hash).await;
        }
        Ok(true)
    }

    async fn release_jobs(&self) -> Result<u64> {
        Ok(0)
    }

    async fn queue(&self) -> Result<QueueLengths> {
        jobs::queue(&**self.client().await?).await
    }

    async fn insert_key_set(
        &self,
        set: KeySet,
        idempotency: Option<Idempotency>,
        quota: KeyQuota,
    ) -> Result<Inserted<Usage>> {
        keys::insert_set(&mut *self.client().await?, &set, idempotency.as_ref(), quota).await
    }

    async fn key_set(&self, tenant: &TenantId, id: KeySetId) -> Result<Option<KeySet>> {
        keys::read_set(&**self.client().await?, tenant, id).await
    }

    async fn put_key(&self, tenant: &TenantId, id: KeySetId, name: KeyName, bytes: Bytes) -> Result<PutKey> {
        keys::put(&mut *self.client().await?, self.objects(), tenant, id, name, bytes).await
    }

    async fn key(&self, tenant: &TenantId, id: KeySetId, name: KeyName) -> Result<Option<Bytes>> {
        let hash = keys::hash(&**self.client().await?, tenant, id, name).await?;
        match hash {
            Some(hash) => self.read_key(tenant, id, name, hash).await,
            None => Ok(None),
        }
    }

    async fn stage_keys(&self, tenant: &TenantId, id: KeySetId, names: Vec<KeyName>) -> Result<SpooledKeys> {
        let hashes = keys::hashes(&**self.client().await?, tenant, id, &names).await?;
        let read = async |(name, hash)| Ok((name, self.read_key(tenant, id, name, hash).await?));
        SpooledKeys::new()?.fill(hashes.into_iter().map(read)).await
    }

    async fn delete_key_set(&self, tenant: &TenantId, id: KeySetId) -> Result<bool> {
        let deleted = keys::delete_set(&mut *self.client().await?, tenant, id).await?;
        let Some(keys) = deleted else { return Ok(false) };
        self.objects().delete_keys(keys).await;
        Ok(true)
    }

    async fn remembered(&self, tenant: &TenantId, key: &str) -> Result<Option<Remembered>> {
        recall(&**self.client().await?, tenant, key).await
    }

    async fn usage(&self, tenant: &TenantId) -> Result<Usage> {
        keys::usage(&**self.client().await?, tenant).await
    }

    async fn token(&self, hash: [u8; 32]) -> Result<Option<TokenRecord>> {
        tokens::find(&**self.client().await?, hash).await
    }

    async fn insert_token(&self, token: TokenRecord) -> Result<()> {
        tokens::insert(&**self.client().await?, &token).await
    }

    async fn tokens(&self) -> Result<Vec<TokenRecord>> {
        tokens::list(&**self.client().await?).await
    }

    async fn delete_token(&self, hash: [u8; 32]) -> Result<bool> {
        tokens::delete(&**self.client().await?, hash).await
    }

    async fn sweep(&self, horizon: Horizon) -> Result<Swept> {
        let mut swept = Swept::default();
        loop {
            // The connection is others' while objects are deleted.
            let records = jobs::sweep_idempotency(&**self.client().await?, horizon.finished).await?;
            let jobs = jobs::sweep(&**self.client().await?, horizon.finished).await?;
            let (sets, keys) = keys::sweep(&mut *self.client().await?, horizon.key_sets).await?;
            let step = Swept { jobs: jobs.len() as u64, key_sets: sets };
            let is_last = [records, step.jobs, step.key_sets].iter().all(|&count| count < SWEEP_ROWS);
            swept += step;
            self.objects().delete_results(jobs).await;
            self.objects().delete_keys(keys).await;
            if is_last {
                return Ok(swept);
            }
        }
    }
}

#[cfg(test)]
mod tests;
