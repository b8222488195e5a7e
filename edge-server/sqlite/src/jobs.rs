//! Jobs as rows.

use std::time::Duration;

use bytes::Bytes;
use edge_server::{
    Code, JobId, KeySetId, ModelKey, TenantId,
    payload::Encoding,
    port::Timestamp,
    store::{
        Claim, Claimed, ClaimedJob, Failure, Full, Job, JobRequest, JobState, QueueBounds, QueueLengths,
        put_off::{Failed, LONGEST_DELAY, PutOff},
    },
    trace::TraceContext,
};

use crate::{
    database::{Database, Result, Row, damaged, values},
    room::Room,
};

const QUEUED: i64 = 0;
const RUNNING: i64 = 1;
const COMPLETED: i64 = 2;
const FAILED: i64 = 3;

const REQUEST: &str =
    "id, tenant, model_id, version, key_set, batch_size, encoding, accepted, deadline, trace";

fn request(row: &Row) -> Result<JobRequest> {
    Ok(JobRequest {
        id: JobId::from_bytes(row.array(0)?),
        tenant: TenantId::new(row.text(1)?),
        model: ModelKey { model_id: row.text(2)?.to_owned(), version: row.text(3)?.to_owned() },
        key_set: if row.is_null(4) { None } else { Some(KeySetId::from_bytes(row.array(4)?)) },
        batch_size: row.number_u32(5)?,
        encoding: Encoding::from_name(row.text(6)?).ok_or_else(|| damaged("encoding"))?,
        accepted: row.time(7)?,
        deadline: row.time(8)?,
        trace: if row.is_null(9) { None } else { TraceContext::parse(row.text(9)?) },
    })
}

/// Counts the jobs that wait, all of them or those of one tenant.
pub(crate) fn waiting(database: &impl Database, tenant: Option<&TenantId>) -> Result<u64> {
    match tenant {
        Some(tenant) => database
            .count("SELECT count(*) FROM jobs WHERE state = 0 AND tenant = ?1", values![tenant.as_str()]),
        None => database.count("SELECT count(*) FROM jobs WHERE state = 0", &[]),
    }
}

/// Counts the jobs without an outcome.
///
/// # Errors
/// [`StoreError`](edge_server::store::StoreError), as for every function here.
pub fn queue(database: &impl Database) -> Result<QueueLengths> {
    let running = database.count("SELECT count(*) FROM jobs WHERE state = 1", &[])?;
    Ok(QueueLengths { waiting: waiting(database, None)?, running })
}

/// Says which bound a further job would break.
pub(crate) fn full(database: &impl Database, tenant: &TenantId, bounds: QueueBounds) -> Result<Option<Full>> {
    if waiting(database, None)? >= bounds.total {
        return Ok(Some(Full::Total));
    }
    Ok((waiting(database, Some(tenant))? >= bounds.tenant).then_some(Full::Tenant))
}

pub(crate) fn insert(database: &impl Database, job: &JobRequest, inputs: &[Bytes]) -> Result<()> {
    let id = job.id.to_bytes();
    let key_set = job.key_set.map(KeySetId::to_bytes);
    let trace = job.trace.map(|trace| trace.to_string());
    database.run(
        &format!("INSERT INTO jobs ({REQUEST}, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"),
        values![
            &id,
            job.tenant.as_str(),
            job.model.model_id.as_str(),
            job.model.version.as_str(),
            key_set.as_ref(),
            i64::from(job.batch_size),
            job.encoding.name(),
            job.accepted,
            job.deadline,
            trace.as_deref(),
            QUEUED,
        ],
    )?;
    for (number, bytes) in (0i64..).zip(inputs) {
        database.run(
            "INSERT INTO inputs (job, number, bytes) VALUES (?1, ?2, ?3)",
            values![&id, number, &bytes[..]],
        )?;
    }
    Ok(())
}

/// Looks up a tenant's job.
///
/// # Errors
/// [`StoreError`](edge_server::store::StoreError)
pub fn read(database: &impl Database, tenant: &TenantId, id: JobId) -> Result<Option<Job>> {
    let row = database.first(
        &format!(
            "SELECT {REQUEST}, CASE WHEN state = {QUEUED} AND worker IS NOT NULL THEN {RUNNING} ELSE state END,
                 bytes, failure_code, failure_detail
             FROM jobs LEFT JOIN results ON job = id WHERE id = ?1 AND tenant = ?2"
        ),
        values![&id.to_bytes(), tenant.as_str()],
    )?;
    let Some(row) = row else { return Ok(None) };
    let state = match row.integer(10)? {
        QUEUED => JobState::Queued,
        RUNNING => JobState::Running,
        COMPLETED => JobState::Completed { result: row.bytes(11)? },
        FAILED => JobState::Failed { failure: failure(&row)? },
        _ => return Err(damaged("state")),
    };
    Ok(Some(Job { request: request(&row)?, state }))
}

fn failure(row: &Row) -> Result<Failure> {
    let code = Code::from_name(row.text(12)?).ok_or_else(|| damaged("error code"))?;
    Ok(Failure { code, detail: row.text(13)?.to_owned() })
}

/// The next job, how often it was started, and how often the store has failed it, in all and midway: of the tenant whose last turn is
/// longest ago, the oldest. The tenants that wait are found one after the other in the index, however many jobs they
/// have. Passed over are jobs that wait for a time between ?1 and ?2: a later one was noted by a clock that has been set
/// back since.
const NEXT: &str = "
WITH RECURSIVE waiting (tenant) AS (
    SELECT min(tenant) FROM jobs WHERE state = 0 AND (not_before <= ?1 OR not_before > ?2)
    UNION ALL
    SELECT (SELECT min(jobs.tenant) FROM jobs
        WHERE state = 0 AND jobs.tenant > waiting.tenant AND (not_before <= ?1 OR not_before > ?2))
    FROM waiting WHERE tenant IS NOT NULL
), next (tenant) AS (
    SELECT waiting.tenant FROM waiting LEFT JOIN turns ON turns.tenant = waiting.tenant
    WHERE waiting.tenant IS NOT NULL ORDER BY coalesce(turn, 0), waiting.tenant LIMIT 1
)
SELECT id, attempts, failures, midway FROM jobs
WHERE state = 0 AND tenant = (SELECT tenant FROM next) AND (not_before <= ?1 OR not_before > ?2)
ORDER BY accepted, id LIMIT 1";

/// How long until the first job may be taken, if all that wait only wait for their time.
fn until(database: &impl Database, now: Timestamp) -> Result<Claimed> {
    let first = database.first("SELECT min(not_before) FROM jobs WHERE state = 0", &[])?;
    let first = first.filter(|row| !row.is_null(0)).map(|row| row.time(0)).transpose()?;
    Ok(Claimed::Nothing(first.map(|first| Duration::from_millis(first.0.saturating_sub(now.0)))))
}

/// Takes the next job, and counts its start if it is the first.
///
/// # Errors
/// [`StoreError`](edge_server::store::StoreError)
pub fn claim(database: &impl Database, claim: Claim) -> Result<Claimed> {
    database.run("UPDATE jobs SET state = 0 WHERE state = 1 AND lease < ?1", values![claim.now])?;
    let next = database.first(NEXT, values![claim.now, claim.now.after(LONGEST_DELAY)])?;
    let Some(next) = next else { return until(database, claim.now) };
    let id = next.array::<16>(0)?;
    let [interrupted, failures, midway] = [next.number_u32(1)?, next.number_u32(2)?, next.number_u32(3)?];
    let claimed = database.first(
        &format!(
            "UPDATE jobs SET state = {RUNNING}, attempts = max(attempts, 1), worker = ?1, lease = ?2
             WHERE id = ?3 RETURNING {REQUEST}"
        ),
        values![&claim.worker.to_bytes(), claim.now.after(claim.lease), &id],
    )?;
    let request = request(&claimed.ok_or_else(|| damaged("index of jobs"))?)?;
    database.run(
        "INSERT INTO turns (tenant, turn) SELECT ?1, coalesce(max(turn), 0) + 1 FROM turns WHERE true
         ON CONFLICT (tenant) DO UPDATE SET turn = excluded.turn",
        values![request.tenant.as_str()],
    )?;
    let inputs = database.run("SELECT bytes FROM inputs WHERE job = ?1 ORDER BY number", values![&id])?;
    let inputs = inputs.iter().map(|row| row.bytes(0)).collect::<Result<_>>()?;
    Ok(Claimed::Job(ClaimedJob { request, inputs: Some(inputs), interrupted, failures, midway }))
}

/// Counts a further start of a job, if it is still this worker's.
///
/// # Errors
/// [`StoreError`](edge_server::store::StoreError)
pub fn start_again(database: &impl Database, claim: Claim, id: JobId) -> Result<bool> {
    let counted = database.run(
        "UPDATE jobs SET attempts = attempts + 1 WHERE id = ?1 AND worker = ?2 AND state = 1 RETURNING 1",
        values![&id.to_bytes(), &claim.worker.to_bytes()],
    )?;
    Ok(!counted.is_empty())
}

/// Takes a claim back as if it had not been, if the job is still this worker's. If the store has failed
/// it, that is counted, and it waits for its time.
///
/// # Errors
/// [`StoreError`](edge_server::store::StoreError)
pub fn give_back(
    database: &impl Database,
    claim: Claim,
    id: JobId,
    interrupted: u32,
    put_off: Option<PutOff>,
) -> Result<()> {
    database.run(
        &format!(
            "UPDATE jobs SET state = {QUEUED}, attempts = ?1, failures = failures + ?2, midway = midway + ?3,
                 not_before = ?4 WHERE id = ?5 AND worker = ?6 AND state = {RUNNING}"
        ),
        values![
            i64::from(interrupted),
            i64::from(put_off.is_some()),
            i64::from(put_off.is_some_and(|put_off| put_off.failed == Failed::Midway)),
            claim.now.after(put_off.map_or(Duration::ZERO, |put_off| put_off.delay)),
            &id.to_bytes(),
            &claim.worker.to_bytes(),
        ],
    )?;
    Ok(())
}

/// Renews the leases of jobs that a worker has.
///
/// # Errors
/// [`StoreError`](edge_server::store::StoreError)
pub fn renew(database: &impl Database, claim: Claim, jobs: &[JobId]) -> Result<()> {
    for id in jobs {
        database.run(
            "UPDATE jobs SET lease = ?1 WHERE id = ?2 AND worker = ?3",
            values![claim.now.after(claim.lease), &id.to_bytes(), &claim.worker.to_bytes()],
        )?;
    }
    Ok(())
}

/// Makes jobs wait again that were running, and counts them.
///
/// # Errors
/// [`StoreError`](edge_server::store::StoreError)
pub fn release(database: &impl Database) -> Result<u64> {
    let released = database
        .run(&format!("UPDATE jobs SET state = {QUEUED} WHERE state = {RUNNING} RETURNING 1"), &[])?;
    Ok(released.len() as u64)
}

/// Stores the outcome of a job and forgets its inputs. The first outcome stays.
///
/// # Errors
/// [`StoreError`](edge_server::store::StoreError)
pub fn finish(
    database: &impl Database,
    id: JobId,
    outcome: &std::result::Result<Bytes, Failure>,
    at: Timestamp,
) -> Result<()> {
    let (state, failure) = match outcome {
        Ok(_) => (COMPLETED, None),
        Err(failure) => (FAILED, Some(failure)),
    };
    let id = id.to_bytes();
    let changed = database.run(
        &format!(
            "UPDATE jobs SET state = ?2, failure_code = ?3, failure_detail = ?4, finished = ?5
             WHERE id = ?1 AND state < {COMPLETED} RETURNING 1"
        ),
        values![
            &id,
            state,
            failure.map(|failure| failure.code.name()),
            failure.map(|failure| failure.detail.as_str()),
            at,
        ],
    )?;
    if let (false, Ok(result)) = (changed.is_empty(), outcome) {
        database.run("INSERT INTO results (job, bytes) VALUES (?1, ?2)", values![&id, &result[..]])?;
    }
    database.run("DELETE FROM inputs WHERE job = ?1", values![&id])?;
    Ok(())
}

/// Deletes a tenant's job, whatever its state; tells whether it existed.
///
/// # Errors
/// [`StoreError`](edge_server::store::StoreError)
pub fn delete(database: &impl Database, tenant: &TenantId, id: JobId) -> Result<bool> {
    let id = id.to_bytes();
    let deleted = database
        .run("DELETE FROM jobs WHERE id = ?1 AND tenant = ?2 RETURNING 1", values![&id, tenant.as_str()])?;
    if deleted.is_empty() {
        return Ok(false);
    }
    database.run("DELETE FROM inputs WHERE job = ?1", values![&id])?;
    database.run("DELETE FROM results WHERE job = ?1", values![&id])?;
    Ok(true)
}

/// Forgets what ended before, oldest first, as much as there is room for; counts it.
pub(crate) fn sweep(database: &impl Database, before: Timestamp, room: &mut Room) -> Result<u64> {
    let ended = database.run(
        "SELECT id, coalesce(length(bytes), 0) FROM jobs LEFT JOIN results ON job = id
         WHERE state >= 2 AND finished < ?1 ORDER BY finished LIMIT ?2",
        values![before, room.rows],
    )?;
    let mut swept = 0;
    for row in ended {
        if room.is_full() {
            break;
        }
        let id = row.array::<16>(0)?;
        database.run("DELETE FROM results WHERE job = ?1", values![&id])?;
        database.run("DELETE FROM jobs WHERE id = ?1", values![&id])?;
        room.take(row.number(1)?);
        swept += 1;
    }
    Ok(swept)
}
