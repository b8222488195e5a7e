//! The store: rows in the object's SQLite database, keys as files in the bucket.
//!
//! The object alone has its database, and runs one call at a time up to where it waits: a call that
//! only uses the database is one step by itself.

mod alarm;
mod bucket;
mod database;

use std::{rc::Rc, time::Duration};

use bytes::Bytes;
use edge_server::{
    JobId, KeyName, KeySetId, TenantId, TokenRecord,
    port::Timestamp,
    store::{
        Claim, Claimed, Failure, Full, Horizon, Idempotency, Inserted, Job, JobRequest, KeyQuota, KeySet,
        PutKey, PutOff, QueueBounds, QueueLengths, Remembered, StagedKeys, Store, StoreError, Swept, Usage,
    },
};
use edge_server_sqlite::{self as sqlite, KeyFile};
use worker::{Delay, State};

use self::{alarm::Alarm, bucket::KeyFiles, database::Sql};

type Result<T> = std::result::Result<T, StoreError>;

/// The store of one object.
#[derive(Debug)]
pub(crate) struct ObjectStore {
    sql: Rc<Sql>,
    alarm: Alarm,
    keys: KeyFiles,
}

/// Wraps a failure of the runtime.
fn failed(error: worker::Error) -> StoreError {
    StoreError::new(error.to_string())
}

/// Waits a turn of the runtime's loop, in which it writes down what was changed and sends what was
/// answered: an evaluation that ends the isolate has been counted.
async fn written_down() {
    Delay::from(Duration::ZERO).await;
}

impl ObjectStore {
    /// Opens the object's database and brings its tables up to date.
    pub(crate) async fn open(state: &State, bucket: worker::Bucket, lease: Duration) -> Result<Self> {
        let alarm = Alarm::read(state.storage(), lease).await?;
        let sql = Rc::new(Sql::new(&state.storage()));
        sql.migrate()?;
        Ok(Self { sql, alarm, keys: KeyFiles::new(bucket) })
    }

    /// Reads a key whose row was read; `None` if its set has been deleted since.
    async fn read_key(&self, tenant: &TenantId, file: KeyFile) -> Result<Option<Bytes>> {
        match self.keys.read(file).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(_) if sqlite::key(&*self.sql, tenant, file.set, file.name)?.is_none() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sets the alarm again, which has gone off: for soon while there is a job without an outcome, whoever has it,
    /// and else for when something may be forgotten.
    pub(crate) async fn alarm_rang(&self, now: Timestamp) -> Result<()> {
        self.alarm.rang();
        if sqlite::queue(&*self.sql)? == QueueLengths::default() {
            self.alarm.keep(now).await
        } else {
            self.alarm.rescue(now).await
        }
    }
}

/// Keys of a tenant's set in rows of the database.
#[derive(Debug)]
pub(crate) struct CopiedKeys {
    sql: Rc<Sql>,
    tenant: TenantId,
    set: KeySetId,
}

impl StagedKeys for CopiedKeys {
    fn key(&self, name: KeyName) -> Result<Option<Bytes>> {
        sqlite::staged_key(&*self.sql, &self.tenant, self.set, name)
    }
}

impl Store for ObjectStore {
    type StagedKeys = CopiedKeys;

    async fn insert_job(
        &self,
        job: JobRequest,
        inputs: Vec<Bytes>,
        idempotency: Option<Idempotency>,
        bounds: QueueBounds,
    ) -> Result<Inserted<Full>> {
        let inserted =
            self.sql.step(|sql| sqlite::insert_job(sql, &job, &inputs, idempotency.as_ref(), bounds))?;
        if inserted == Inserted::New {
            // Nothing is waited for between the rows and this: they are written together, so that no
            // job is left without somebody who comes for it.
            self.alarm.rescue(job.accepted).await?;
        }
        Ok(inserted)
    }

    async fn job(&self, tenant: &TenantId, id: JobId) -> Result<Option<Job>> {
        sqlite::job(&*self.sql, tenant, id)
    }

    async fn claim_job(&self, claim: Claim) -> Result<Claimed> {
        let claimed = self.sql.step(|sql| sqlite::claim_job(sql, claim))?;
        match claimed {
            Claimed::Job(_) => written_down().await,
            // Whoever asked goes away, and the alarm may have rung for something else since the job was put off.
            Claimed::Nothing(Some(until)) => self.alarm.come_back(claim.now, until).await?,
            Claimed::Nothing(None) => {}
        }
        Ok(claimed)
    }

    async fn start_again(&self, claim: Claim, id: JobId) -> Result<bool> {
        let counted = self.sql.step(|sql| sqlite::start_again(sql, claim, id))?;
        written_down().await;
        Ok(counted)
    }

    async fn give_back(
        &self,
        claim: Claim,
        id: JobId,
        interrupted: u32,
        put_off: Option<PutOff>,
    ) -> Result<()> {
        self.sql.step(|sql| sqlite::give_back(sql, claim, id, interrupted, put_off))?;
        match put_off {
            Some(PutOff { delay, .. }) => self.alarm.come_back(claim.now, delay).await,
            // It waits as one that was just stored: the alarm may be set for long after its time.
            None => self.alarm.rescue(claim.now).await,
        }
    }

    async fn renew_leases(&self, claim: Claim, jobs: Vec<JobId>) -> Result<()> {
        self.sql.step(|sql| sqlite::renew_leases(sql, claim, &jobs))
    }

    async fn finish_job(
        &self,
        id: JobId,
        outcome: std::result::Result<Bytes, Failure>,
        at: Timestamp,
    ) -> Result<()> {
        self.sql.step(|sql| sqlite::finish_job(sql, id, &outcome, at))
    }

    async fn delete_job(&self, tenant: &TenantId, id: JobId) -> Result<bool> {
        self.sql.step(|sql| sqlite::delete_job(sql, tenant, id))
    }

    async fn release_jobs(&self) -> Result<u64> {
        // There is one object: who ran a job before this one started is gone.
        self.sql.step(sqlite::release_jobs)
    }

    async fn queue(&self) -> Result<QueueLengths> {
        sqlite::queue(&*self.sql)
    }

    async fn insert_key_set(
        &self,
        set: KeySet,
        idempotency: Option<Idempotency>,
        quota: KeyQuota,
    ) -> Result<Inserted<Usage>> {
        let inserted = self.sql.step(|sql| sqlite::insert_key_set(sql, &set, idempotency.as_ref(), quota))?;
        self.alarm.keep(set.opened).await?;
        Ok(inserted)
    }

    async fn key_set(&self, tenant: &TenantId, id: KeySetId) -> Result<Option<KeySet>> {
        sqlite::key_set(&*self.sql, tenant, id)
    }

    async fn put_key(&self, tenant: &TenantId, id: KeySetId, name: KeyName, bytes: Bytes) -> Result<PutKey> {
        let file = KeyFile::of(id, name, &bytes);
        if let Some(settled) = sqlite::judge_key(&*self.sql, tenant, file)? {
            return Ok(settled);
        }
        let length = bytes.len() as u64;
        self.keys.put(file, bytes).await?;
        // The set may have been deleted meanwhile, or another upload may have been faster.
        let put = self.sql.step(|sql| sqlite::put_key(sql, tenant, file, length, &[]))?;
        if put != PutKey::Stored {
            self.keys.delete(&[file]).await;
        }
        Ok(put)
    }

    async fn key(&self, tenant: &TenantId, id: KeySetId, name: KeyName) -> Result<Option<Bytes>> {
        match sqlite::key(&*self.sql, tenant, id, name)? {
            Some((file, _)) => self.read_key(tenant, file).await,
            None => Ok(None),
        }
    }

    async fn stage_keys(&self, tenant: &TenantId, id: KeySetId, names: Vec<KeyName>) -> Result<CopiedKeys> {
        let files = self.sql.step(|sql| sqlite::unstaged_keys(sql, tenant, id, &names))?;
        for &file in &files {
            if let Some(bytes) = self.read_key(tenant, file).await? {
                self.sql.step(|sql| sqlite::stage_key(sql, file, &bytes, sqlite::STAGED_BYTES))?;
            }
        }
        if !files.is_empty() {
            tracing::info!(files = files.len(), "keys copied from the bucket");
        }
        Ok(CopiedKeys { sql: Rc::clone(&self.sql), tenant: tenant.clone(), set: id })
    }

    async fn delete_key_set(&self, tenant: &TenantId, id: KeySetId) -> Result<bool> {
        match self.sql.step(|sql| sqlite::delete_key_set(sql, tenant, id))? {
            Some(files) => {
                self.keys.delete(&files).await;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    async fn remembered(&self, tenant: &TenantId, key: &str) -> Result<Option<Remembered>> {
        sqlite::recall(&*self.sql, tenant, key)
    }

    async fn usage(&self, tenant: &TenantId) -> Result<Usage> {
        sqlite::usage(&*self.sql, tenant)
    }

    async fn token(&self, hash: [u8; 32]) -> Result<Option<TokenRecord>> {
        sqlite::token(&*self.sql, hash)
    }

    async fn insert_token(&self, token: TokenRecord) -> Result<()> {
        self.sql.step(|sql| sqlite::insert_token(sql, &token))
    }

    async fn tokens(&self) -> Result<Vec<TokenRecord>> {
        sqlite::tokens(&*self.sql)
    }

    async fn delete_token(&self, hash: [u8; 32]) -> Result<bool> {
        self.sql.step(|sql| sqlite::delete_token(sql, hash))
    }

    async fn sweep(&self, horizon: Horizon) -> Result<Swept> {
        let mut swept = Swept::default();
        loop {
            let step = self.sql.step(|sql| sqlite::sweep_step(sql, horizon))?;
            swept += step.swept;
            self.keys.delete(&step.keys).await;
            if step.is_last {
                return Ok(swept);
            }
            // Others have their turn.
            written_down().await;
        }
    }
}
