//! Jobs as rows.

use bytes::Bytes;
use edge_server::{
    Code, JobId, KeySetId, ModelKey, TenantId,
    payload::Encoding,
    port::Timestamp,
    store::{Claim, ClaimedJob, Failure, Full, Job, JobRequest, JobState, QueueBounds, QueueLengths},
};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{Result, damaged, number, timestamp};

const QUEUED: i64 = 0;
const RUNNING: i64 = 1;
const COMPLETED: i64 = 2;
const FAILED: i64 = 3;

const REQUEST: &str = "id, tenant, model_id, version, key_set, batch_size, encoding, accepted, deadline";

fn request(row: &Row<'_>) -> Result<JobRequest> {
    Ok(JobRequest {
        id: JobId::from_bytes(row.get(0)?),
        tenant: TenantId::new(row.get::<_, String>(1)?),
        model: ModelKey { model_id: row.get(2)?, version: row.get(3)? },
        key_set: row.get::<_, Option<[u8; 16]>>(4)?.map(KeySetId::from_bytes),
        batch_size: row.get(5)?,
        encoding: Encoding::from_name(row.get_ref(6)?.as_str()?).ok_or_else(|| damaged("encoding"))?,
        accepted: timestamp(row.get(7)?),
        deadline: timestamp(row.get(8)?),
    })
}

/// Counts the jobs that wait, all of them or those of one tenant.
pub(super) fn waiting(connection: &Connection, tenant: Option<&TenantId>) -> Result<u64> {
    let query = match tenant {
        Some(_) => "SELECT count(*) FROM jobs WHERE state = 0 AND tenant = ?1",
        None => "SELECT count(*) FROM jobs WHERE state = 0 AND ?1 IS NULL",
    };
    let count: i64 =
        connection.prepare_cached(query)?.query_row([tenant.map(TenantId::as_str)], |row| row.get(0))?;
    Ok(count.cast_unsigned())
}

pub(super) fn queue(connection: &Connection) -> Result<QueueLengths> {
    let running: i64 = connection
        .prepare_cached("SELECT count(*) FROM jobs WHERE state = 1")?
        .query_row([], |row| row.get(0))?;
    Ok(QueueLengths { waiting: waiting(connection, None)?, running: running.cast_unsigned() })
}

/// Says which bound a further job would break.
pub(super) fn full(connection: &Connection, tenant: &TenantId, bounds: QueueBounds) -> Result<Option<Full>> {
    if waiting(connection, None)? >= bounds.total {
        return Ok(Some(Full::Total));
    }
    Ok((waiting(connection, Some(tenant))? >= bounds.tenant).then_some(Full::Tenant))
}

pub(super) fn insert(transaction: &Transaction<'_>, job: &JobRequest, inputs: &[Bytes]) -> Result<()> {
    transaction
        .prepare_cached(&format!(
            "INSERT INTO jobs ({REQUEST}, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
        ))?
        .execute(params![
            job.id.to_bytes(),
            job.tenant.as_str(),
            job.model.model_id,
            job.model.version,
            job.key_set.map(KeySetId::to_bytes),
            job.batch_size,
            job.encoding.name(),
            number(job.accepted),
            number(job.deadline),
            QUEUED,
        ])?;
    let mut statement =
        transaction.prepare_cached("INSERT INTO inputs (job, number, bytes) VALUES (?1, ?2, ?3)")?;
    for (index, bytes) in inputs.iter().enumerate() {
        statement.execute(params![job.id.to_bytes(), index as i64, &bytes[..]])?;
    }
    Ok(())
}

pub(super) fn read(connection: &Connection, tenant: &TenantId, id: JobId) -> Result<Option<Job>> {
    let columns = format!(
        "SELECT {REQUEST}, state, bytes, failure_code, failure_detail
         FROM jobs LEFT JOIN results ON job = id WHERE id = ?1 AND tenant = ?2"
    );
    connection
        .prepare_cached(&columns)?
        .query_row(params![id.to_bytes(), tenant.as_str()], |row| {
            let state = match row.get::<_, i64>(9)? {
                QUEUED => JobState::Queued,
                RUNNING => JobState::Running,
                COMPLETED => JobState::Completed { result: row.get::<_, Vec<u8>>(10)?.into() },
                FAILED => JobState::Failed { failure: failure(row)? },
                _ => return Err(damaged("state")),
            };
            Ok(Job { request: request(row)?, state })
        })
        .optional()
}

fn failure(row: &Row<'_>) -> Result<Failure> {
    let code = Code::from_name(row.get_ref(11)?.as_str()?).ok_or_else(|| damaged("error code"))?;
    Ok(Failure { code, detail: row.get(12)? })
}

/// The next job and how often it was started: of the tenant whose last turn is longest ago, the oldest.
/// The tenants that wait are found one after the other in the index, however many jobs they have.
const NEXT: &str = "
WITH RECURSIVE waiting (tenant) AS (
    SELECT min(tenant) FROM jobs WHERE state = 0
    UNION ALL
    SELECT (SELECT min(jobs.tenant) FROM jobs WHERE state = 0 AND jobs.tenant > waiting.tenant)
    FROM waiting WHERE tenant IS NOT NULL
), next (tenant) AS (
    SELECT waiting.tenant FROM waiting LEFT JOIN turns ON turns.tenant = waiting.tenant
    WHERE waiting.tenant IS NOT NULL ORDER BY coalesce(turn, 0), waiting.tenant LIMIT 1
)
SELECT id, attempts FROM jobs WHERE state = 0 AND tenant = (SELECT tenant FROM next)
ORDER BY accepted, id LIMIT 1";

/// Takes the next job, and counts its start if it is the first.
pub(super) fn claim(transaction: &Transaction<'_>, claim: Claim) -> Result<Option<ClaimedJob>> {
    transaction
        .prepare_cached("UPDATE jobs SET state = 0 WHERE state = 1 AND lease < ?1")?
        .execute([number(claim.now)])?;
    let next = transaction
        .prepare_cached(NEXT)?
        .query_row([], |row| Ok((row.get::<_, [u8; 16]>(0)?, row.get(1)?)))
        .optional()?;
    let Some((id, interrupted)) = next else { return Ok(None) };
    let request = transaction
        .prepare_cached(&format!(
            "UPDATE jobs SET state = {RUNNING}, attempts = max(attempts, 1), worker = ?1, lease = ?2
             WHERE id = ?3 RETURNING {REQUEST}"
        ))?
        .query_row(params![claim.worker.to_bytes(), number(claim.now.after(claim.lease)), id], request)?;
    transaction
        .prepare_cached(
            "INSERT INTO turns (tenant, turn) SELECT ?1, coalesce(max(turn), 0) + 1 FROM turns WHERE true
             ON CONFLICT (tenant) DO UPDATE SET turn = excluded.turn",
        )?
        .execute([request.tenant.as_str()])?;
    let mut statement =
        transaction.prepare_cached("SELECT bytes FROM inputs WHERE job = ?1 ORDER BY number")?;
    let inputs = statement.query_map([id], |row| row.get::<_, Vec<u8>>(0).map(Bytes::from))?;
    let inputs = inputs.collect::<Result<_>>()?;
    Ok(Some(ClaimedJob { request, inputs, interrupted }))
}

/// Counts a further start of a job, if it is still this worker's.
pub(super) fn start_again(transaction: &Transaction<'_>, claim: Claim, id: JobId) -> Result<bool> {
    let counted = transaction
        .prepare_cached(
            "UPDATE jobs SET attempts = attempts + 1 WHERE id = ?1 AND worker = ?2 AND state = 1",
        )?
        .execute(params![id.to_bytes(), claim.worker.to_bytes()])?;
    Ok(counted > 0)
}

pub(super) fn renew(transaction: &Transaction<'_>, claim: Claim, jobs: &[JobId]) -> Result<()> {
    let mut statement =
        transaction.prepare_cached("UPDATE jobs SET lease = ?1 WHERE id = ?2 AND worker = ?3")?;
    for id in jobs {
        let lease = number(claim.now.after(claim.lease));
        statement.execute(params![lease, id.to_bytes(), claim.worker.to_bytes()])?;
    }
    Ok(())
}

pub(super) fn release(transaction: &Transaction<'_>) -> Result<u64> {
    let released =
        transaction.execute(&format!("UPDATE jobs SET state = {QUEUED} WHERE state = {RUNNING}"), [])?;
    Ok(released as u64)
}

pub(super) fn finish(
    transaction: &Transaction<'_>,
    id: JobId,
    outcome: &std::result::Result<Bytes, Failure>,
    at: Timestamp,
) -> Result<()> {
    let (state, failure) = match outcome {
        Ok(_) => (COMPLETED, None),
        Err(failure) => (FAILED, Some(failure)),
    };
    let changed = transaction
        .prepare_cached(&format!(
            "UPDATE jobs SET state = ?2, failure_code = ?3, failure_detail = ?4, finished = ?5
             WHERE id = ?1 AND state < {COMPLETED}"
        ))?
        .execute(params![
            id.to_bytes(),
            state,
            failure.map(|failure| failure.code.name()),
            failure.map(|failure| &failure.detail),
            number(at),
        ])?;
    if let (1, Ok(result)) = (changed, outcome) {
        transaction
            .prepare_cached("INSERT INTO results (job, bytes) VALUES (?1, ?2)")?
            .execute(params![id.to_bytes(), &result[..]])?;
    }
    transaction.prepare_cached("DELETE FROM inputs WHERE job = ?1")?.execute([id.to_bytes()])?;
    Ok(())
}

pub(super) fn delete(transaction: &Transaction<'_>, tenant: &TenantId, id: JobId) -> Result<bool> {
    let deleted = transaction
        .prepare_cached("DELETE FROM jobs WHERE id = ?1 AND tenant = ?2")?
        .execute(params![id.to_bytes(), tenant.as_str()])?;
    if deleted > 0 {
        for query in ["DELETE FROM inputs WHERE job = ?1", "DELETE FROM results WHERE job = ?1"] {
            transaction.prepare_cached(query)?.execute([id.to_bytes()])?;
        }
    }
    Ok(deleted > 0)
}

/// Forgets what ended before.
pub(super) fn sweep(transaction: &Transaction<'_>, before: Timestamp) -> Result<u64> {
    let before = [number(before)];
    transaction.execute(
        "DELETE FROM results WHERE job IN (SELECT id FROM jobs WHERE state >= 2 AND finished < ?1)",
        before,
    )?;
    Ok(transaction.execute("DELETE FROM jobs WHERE state >= 2 AND finished < ?1", before)? as u64)
}
