//! Jobs as rows in PostgreSQL.

use std::time::Duration;

use bytes::Bytes;
use edge_server::{
    Code, JobId, KeySetId, ModelKey, TenantId,
    payload::Encoding,
    port::Timestamp,
    store::{
        Claim, Failure, Full, Idempotency, Inserted, Job, JobRequest, JobState, Made, QueueBounds,
        QueueLengths,
        put_off::{Failed, LONGEST_DELAY, PutOff},
    },
    trace::TraceContext,
};
use tokio_postgres::{Client, GenericClient, Row, types::ToSql};

use super::{
    Hash, Result, SWEEP_ROWS, damaged, failed, id, idempotency::remember, notices, number, timestamp,
};

const QUEUED: i16 = 0;
const RUNNING: i16 = 1;
const COMPLETED: i16 = 2;
const FAILED: i16 = 3;

const REQUEST: &str =
    "jobs.id, jobs.tenant, model_id, version, key_set, batch_size, encoding, accepted, deadline, trace";

/// Held while jobs are counted and one is added, so that the bounds hold.
const LOCK: i64 = 0x6564_6765_0002;

fn request(row: &Row) -> Result<JobRequest> {
    let key_set = row.get::<_, Option<&[u8]>>(4).map(<[u8; 16]>::try_from).transpose();
    Ok(JobRequest {
        id: JobId::from_bytes(id(row, 0)?),
        tenant: TenantId::new(row.get::<_, String>(1)),
        model: ModelKey { model_id: row.get(2), version: row.get(3) },
        key_set: key_set.map_err(|_| damaged("identifier"))?.map(KeySetId::from_bytes),
        batch_size: u32::try_from(row.get::<_, i64>(5)).map_err(|_| damaged("batch size"))?,
        encoding: Encoding::from_name(row.get(6)).ok_or_else(|| damaged("encoding"))?,
        accepted: timestamp(row.get(7)),
        deadline: timestamp(row.get(8)),
        trace: row.get::<_, Option<&str>>(9).and_then(TraceContext::parse),
    })
}

pub(super) async fn waiting(client: &impl GenericClient, tenant: &TenantId) -> Result<u64> {
    const QUERY: &str = "SELECT count(*) FROM jobs WHERE state = 0 AND tenant = $1";
    let row = client.query_one(QUERY, &[&tenant.as_str()]).await.map_err(failed)?;
    Ok(row.get::<_, i64>(0).cast_unsigned())
}

pub(super) async fn queue(client: &impl GenericClient) -> Result<QueueLengths> {
    const QUERY: &str = "SELECT count(*) FILTER (WHERE state = 0), count(*) FROM jobs WHERE state < 2";
    let row = client.query_one(QUERY, &[]).await.map_err(failed)?;
    let (waiting, all) = (row.get::<_, i64>(0).cast_unsigned(), row.get::<_, i64>(1).cast_unsigned());
    Ok(QueueLengths { waiting, running: all.saturating_sub(waiting) })
}

/// Says which bound a further job would break.
pub(super) async fn full(
    client: &impl GenericClient,
    tenant: &TenantId,
    bounds: QueueBounds,
) -> Result<Option<Full>> {
    if queue(client).await?.waiting >= bounds.total {
        return Ok(Some(Full::Total));
    }
    Ok((waiting(client, tenant).await? >= bounds.tenant).then_some(Full::Tenant))
}

pub(super) async fn insert(
    client: &mut Client,
    job: &JobRequest,
    inputs: usize,
    idempotency: Option<&Idempotency>,
    bounds: QueueBounds,
) -> Result<Inserted<Full>> {
    let transaction = client.transaction().await.map_err(failed)?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await.map_err(failed)?;
    let earlier = remember(&transaction, &job.tenant, idempotency, Made::Job(job.id), job.accepted).await?;
    if let Some(earlier) = earlier {
        return Ok(Inserted::Remembered(earlier));
    }
    if let Some(full) = full(&transaction, &job.tenant, bounds).await? {
        return Ok(Inserted::Refused(full));
    }
    let key_set = job.key_set.map(KeySetId::to_bytes);
    transaction
        .execute(
            "INSERT INTO jobs (id, tenant, model_id, version, key_set, batch_size, encoding, accepted, deadline,
                 inputs, trace, state)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0)",
            &[
                &&job.id.to_bytes()[..],
                &job.tenant.as_str(),
                &job.model.model_id,
                &job.model.version,
                &key_set.as_ref().map(|id| &id[..]),
                &i64::from(job.batch_size),
                &job.encoding.name(),
                &number(job.accepted),
                &number(job.deadline),
                &(inputs as i64),
                &job.trace.map(|trace| trace.to_string()),
            ],
        )
        .await
        .map_err(failed)?;
    if let Some(id) = key_set {
        const TOUCH: &str = "UPDATE key_sets SET used = greatest(used, $1) WHERE id = $2";
        transaction.execute(TOUCH, &[&number(job.accepted), &&id[..]]).await.map_err(failed)?;
    }
    notices::queued(&transaction).await?;
    transaction.commit().await.map_err(failed)?;
    Ok(Inserted::New)
}

/// The hash of a result, if the row has one.
fn hash(row: &Row, column: usize) -> Result<Option<Hash>> {
    let hash = row.get::<_, Option<&[u8]>>(column).map(Hash::try_from);
    hash.transpose().map_err(|_| damaged("hash"))
}

/// Reads a job; its result is empty here, and comes as its hash.
pub(super) async fn read(
    client: &impl GenericClient,
    tenant: &TenantId,
    job: JobId,
) -> Result<Option<(Job, Option<Hash>)>> {
    let query = format!(
        "SELECT {REQUEST},
             CASE WHEN state = {QUEUED} AND worker IS NOT NULL THEN {RUNNING}::smallint ELSE state END,
             failure_code, failure_detail, result FROM jobs WHERE id = $1 AND tenant = $2"
    );
    let parameters: [&(dyn ToSql + Sync); 2] = [&&job.to_bytes()[..], &tenant.as_str()];
    let Some(row) = client.query_opt(&query, &parameters).await.map_err(failed)? else { return Ok(None) };
    let state = match row.get(10) {
        QUEUED => JobState::Queued,
        RUNNING => JobState::Running,
        COMPLETED => JobState::Completed { result: Bytes::new() },
        FAILED => JobState::Failed { failure: failure(&row)? },
        _ => return Err(damaged("state")),
    };
    Ok(Some((Job { request: request(&row)?, state }, hash(&row, 13)?)))
}

fn failure(row: &Row) -> Result<Failure> {
    let code = row.get::<_, Option<&str>>(11).and_then(Code::from_name);
    let detail = row.get::<_, Option<String>>(12).unwrap_or_default();
    Ok(Failure { code: code.ok_or_else(|| damaged("error code"))?, detail })
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

/// A job that was taken, without its inputs.
pub(super) struct Taken {
    pub(super) request: JobRequest,
    /// How many inputs it has.
    pub(super) inputs: usize,
    /// How often it was started before.
    pub(super) interrupted: u32,
    /// How often the store has failed it.
    pub(super) failures: u32,
    /// How many of these were in the middle of its evaluation.
    pub(super) midway: u32,
}

/// Takes the next job that nobody else is just taking: of the tenant whose last turn is longest ago, the
/// oldest that does not wait for its time; counts its start if it is the first.
pub(super) async fn claim(client: &impl GenericClient, claim: Claim) -> Result<Option<Taken>> {
    let query = format!(
        "WITH next AS (
             SELECT jobs.id, jobs.tenant, attempts FROM jobs LEFT JOIN turns ON turns.tenant = jobs.tenant
             WHERE state < {COMPLETED} AND (state = {RUNNING} AND lease < now() OR state = {QUEUED}
                 AND (not_before <= now() OR not_before > now() + make_interval(secs => $3)))
             ORDER BY coalesce(turn, 0), accepted, jobs.id LIMIT 1 FOR UPDATE OF jobs SKIP LOCKED
         ), turned AS (
             INSERT INTO turns (tenant, turn) SELECT tenant, nextval('turn') FROM next
             ON CONFLICT (tenant) DO UPDATE SET turn = excluded.turn
         )
         UPDATE jobs SET state = {RUNNING}, attempts = greatest(jobs.attempts, 1), worker = $1,
             lease = now() + make_interval(secs => $2)
         FROM next WHERE jobs.id = next.id RETURNING {REQUEST}, inputs, next.attempts, failures, midway"
    );
    let worker = claim.worker.to_bytes();
    let parameters: [&(dyn ToSql + Sync); 3] = [&&worker[..], &seconds(claim.lease), &seconds(LONGEST_DELAY)];
    let row = client.query_opt(&query, &parameters).await.map_err(failed)?;
    let Some(row) = row else { return Ok(None) };
    let count = |column| u32::try_from(row.get::<_, i64>(column)).unwrap_or(u32::MAX);
    Ok(Some(Taken {
        request: request(&row)?,
        inputs: usize::try_from(row.get::<_, i64>(10)).map_err(|_| damaged("number of inputs"))?,
        interrupted: count(11),
        failures: count(12),
        midway: count(13),
    }))
}

/// How long until the first job may be taken that waits for its time. A time further ahead than any wait was noted before
/// the database's clock was set back, and is no reason to wait.
pub(super) async fn until(client: &impl GenericClient) -> Result<Option<Duration>> {
    let query = format!(
        "SELECT extract(epoch FROM min(not_before) - now())::float8 FROM jobs
         WHERE state = {QUEUED} AND not_before > now() AND not_before <= now() + make_interval(secs => $1)"
    );
    let row = client.query_one(&query, &[&seconds(LONGEST_DELAY)]).await.map_err(failed)?;
    Ok(row.get::<_, Option<f64>>(0).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
}

/// Counts a further start of a job, if it is still this worker's.
pub(super) async fn start_again(client: &impl GenericClient, claim: Claim, job: JobId) -> Result<bool> {
    const QUERY: &str = "UPDATE jobs SET attempts = attempts + 1 WHERE id = $1 AND worker = $2 AND state = 1";
    let worker = claim.worker.to_bytes();
    let counted = client.execute(QUERY, &[&&job.to_bytes()[..], &&worker[..]]).await.map_err(failed)?;
    Ok(counted > 0)
}

/// Takes a claim back as if it had not been; `interrupted` is what the claim has said. If the store has failed it,
/// that is counted, and it waits for its time.
pub(super) async fn give_back(
    client: &impl GenericClient,
    claim: Claim,
    job: JobId,
    interrupted: u32,
    put_off: Option<PutOff>,
) -> Result<()> {
    let query = format!(
        "UPDATE jobs SET state = {QUEUED}, attempts = $3, failures = failures + $4,
             midway = midway + $5, not_before = now() + make_interval(secs => $6)
         WHERE id = $1 AND worker = $2 AND state = {RUNNING}"
    );
    let (worker, attempts) = (claim.worker.to_bytes(), i64::from(interrupted));
    let failures = i64::from(put_off.is_some());
    let midway = i64::from(put_off.is_some_and(|put_off| put_off.failed == Failed::Midway));
    let delay = put_off.map_or(0.0, |put_off| seconds(put_off.delay));
    client
        .execute(&query, &[&&job.to_bytes()[..], &&worker[..], &attempts, &failures, &midway, &delay])
        .await
        .map_err(failed)?;
    Ok(())
}

pub(super) async fn renew(client: &impl GenericClient, claim: Claim, jobs: &[JobId]) -> Result<()> {
    const QUERY: &str =
        "UPDATE jobs SET lease = now() + make_interval(secs => $1) WHERE id = ANY($2) AND worker = $3";
    let ids: Vec<Vec<u8>> = jobs.iter().map(|id| id.to_bytes().to_vec()).collect();
    let worker = claim.worker.to_bytes();
    client.execute(QUERY, &[&seconds(claim.lease), &ids, &&worker[..]]).await.map_err(failed)?;
    Ok(())
}

/// Stores that a job is over, with its result's hash or its failure; says how many inputs it had, unless
/// it was over before or is gone.
pub(super) async fn finish(
    client: &impl GenericClient,
    job: JobId,
    outcome: std::result::Result<Hash, &Failure>,
    at: Timestamp,
) -> Result<Option<usize>> {
    let query = format!(
        "UPDATE jobs SET state = $2, result = $3, failure_code = $4, failure_detail = $5, finished = $6
         WHERE id = $1 AND state < {COMPLETED} RETURNING inputs"
    );
    let (state, result, failure) = match &outcome {
        Ok(hash) => (COMPLETED, Some(&hash[..]), None),
        Err(failure) => (FAILED, None, Some(*failure)),
    };
    let code = failure.map(|failure| failure.code.name());
    let detail = failure.map(|failure| &failure.detail);
    let bytes = job.to_bytes();
    let row = client
        .query_opt(&query, &[&&bytes[..], &state, &result, &code, &detail, &number(at)])
        .await
        .map_err(failed)?;
    let Some(row) = row else { return Ok(None) };
    notices::finished(client, job).await?;
    Ok(usize::try_from(row.get::<_, i64>(0)).ok())
}

/// The hash of the result that a job has.
pub(super) async fn result(client: &impl GenericClient, job: JobId) -> Result<Option<Hash>> {
    const QUERY: &str = "SELECT result FROM jobs WHERE id = $1";
    let row = client.query_opt(QUERY, &[&&job.to_bytes()[..]]).await.map_err(failed)?;
    row.map_or(Ok(None), |row| hash(&row, 0))
}

/// Deletes a job; says how many inputs it had, and which result.
pub(super) async fn delete(
    client: &impl GenericClient,
    tenant: &TenantId,
    job: JobId,
) -> Result<Option<(usize, Option<Hash>)>> {
    const QUERY: &str = "DELETE FROM jobs WHERE id = $1 AND tenant = $2 RETURNING inputs, result";
    let row = client.query_opt(QUERY, &[&&job.to_bytes()[..], &tenant.as_str()]).await.map_err(failed)?;
    let Some(row) = row else { return Ok(None) };
    notices::finished(client, job).await?;
    let inputs = usize::try_from(row.get::<_, i64>(0)).map_err(|_| damaged("number of inputs"))?;
    Ok(Some((inputs, hash(&row, 1)?)))
}

/// Forgets some of the idempotency records of before, oldest first, and counts them.
pub(super) async fn sweep_idempotency(client: &impl GenericClient, before: Timestamp) -> Result<u64> {
    let query = format!(
        "DELETE FROM idempotency WHERE (tenant, key) IN (SELECT tenant, key FROM idempotency
         WHERE at < $1 ORDER BY at LIMIT {SWEEP_ROWS} FOR UPDATE SKIP LOCKED)"
    );
    client.execute(&query, &[&number(before)]).await.map_err(failed)
}

/// Forgets some of what ended before, oldest first; says which jobs, and their results.
pub(super) async fn sweep(
    client: &impl GenericClient,
    before: Timestamp,
) -> Result<Vec<(JobId, Option<Hash>)>> {
    let query = format!(
        "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE state >= {COMPLETED} AND finished < $1
         ORDER BY finished LIMIT {SWEEP_ROWS} FOR UPDATE SKIP LOCKED) RETURNING id, result"
    );
    let rows = client.query(&query, &[&number(before)]).await.map_err(failed)?;
    rows.iter().map(|row| Ok((JobId::from_bytes(id(row, 0)?), hash(row, 1)?))).collect()
}
