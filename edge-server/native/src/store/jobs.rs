//! Jobs as rows.

use bytes::Bytes;
use edge_server::{
    Code, JobId, KeySetId, ModelKey, TenantId,
    payload::Encoding,
    port::Timestamp,
    store::{Failure, Job, JobRequest, JobState},
};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{Result, damaged};

const QUEUED: i64 = 0;
const RUNNING: i64 = 1;
const COMPLETED: i64 = 2;
const FAILED: i64 = 3;

const REQUEST: &str = "id, tenant, model_id, version, key_set, batch_size, encoding, accepted";

fn request(row: &Row<'_>) -> Result<JobRequest> {
    Ok(JobRequest {
        id: JobId::from_bytes(row.get(0)?),
        tenant: TenantId::new(row.get::<_, String>(1)?),
        model: ModelKey { model_id: row.get(2)?, version: row.get(3)? },
        key_set: row.get::<_, Option<[u8; 16]>>(4)?.map(KeySetId::from_bytes),
        batch_size: row.get(5)?,
        encoding: Encoding::from_name(row.get_ref(6)?.as_str()?).ok_or_else(|| damaged("encoding"))?,
        accepted: Timestamp(row.get::<_, i64>(7)?.cast_unsigned()),
    })
}

pub(super) fn insert(transaction: &Transaction<'_>, job: &JobRequest, inputs: &[Bytes]) -> Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO jobs (id, tenant, model_id, version, key_set, batch_size, encoding, accepted, state)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            job.id.to_bytes(),
            job.tenant.as_str(),
            job.model.model_id,
            job.model.version,
            job.key_set.map(KeySetId::to_bytes),
            job.batch_size,
            job.encoding.name(),
            job.accepted.0.cast_signed(),
            QUEUED,
        ])?;
    let mut statement =
        transaction.prepare_cached("INSERT INTO inputs (job, number, bytes) VALUES (?1, ?2, ?3)")?;
    for (number, bytes) in inputs.iter().enumerate() {
        statement.execute(params![job.id.to_bytes(), number as i64, &bytes[..]])?;
    }
    Ok(())
}

pub(super) fn read(connection: &Connection, tenant: &TenantId, id: JobId) -> Result<Option<Job>> {
    let columns = format!(
        "SELECT {REQUEST}, state, result, failure_code, failure_detail FROM jobs WHERE id = ?1 AND tenant = ?2"
    );
    connection
        .prepare_cached(&columns)?
        .query_row(params![id.to_bytes(), tenant.as_str()], |row| {
            let state = match row.get::<_, i64>(8)? {
                QUEUED => JobState::Queued,
                RUNNING => JobState::Running,
                COMPLETED => JobState::Completed { result: row.get::<_, Vec<u8>>(9)?.into() },
                FAILED => JobState::Failed { failure: failure(row)? },
                _ => return Err(damaged("state")),
            };
            Ok(Job { request: request(row)?, state })
        })
        .optional()
}

fn failure(row: &Row<'_>) -> Result<Failure> {
    let code = Code::from_name(row.get_ref(10)?.as_str()?).ok_or_else(|| damaged("error code"))?;
    Ok(Failure { code, detail: row.get(11)? })
}

pub(super) fn start(connection: &Connection, id: JobId) -> Result<Option<(JobRequest, Vec<Bytes>)>> {
    let started = connection
        .prepare_cached(&format!(
            "UPDATE jobs SET state = {RUNNING} WHERE id = ?1 AND state < {COMPLETED} RETURNING {REQUEST}"
        ))?
        .query_row([id.to_bytes()], request)
        .optional()?;
    let Some(request) = started else { return Ok(None) };
    let mut statement =
        connection.prepare_cached("SELECT bytes FROM inputs WHERE job = ?1 ORDER BY number")?;
    let inputs = statement.query_map([id.to_bytes()], |row| row.get::<_, Vec<u8>>(0).map(Bytes::from))?;
    Ok(Some((request, inputs.collect::<Result<_>>()?)))
}

pub(super) fn finish(
    transaction: &Transaction<'_>,
    id: JobId,
    outcome: &std::result::Result<Bytes, Failure>,
) -> Result<()> {
    let (state, result, failure) = match outcome {
        Ok(result) => (COMPLETED, Some(&result[..]), None),
        Err(failure) => (FAILED, None, Some(failure)),
    };
    transaction
        .prepare_cached(&format!(
            "UPDATE jobs SET state = ?2, result = ?3, failure_code = ?4, failure_detail = ?5
             WHERE id = ?1 AND state < {COMPLETED}"
        ))?
        .execute(params![
            id.to_bytes(),
            state,
            result,
            failure.map(|failure| failure.code.name()),
            failure.map(|failure| &failure.detail),
        ])?;
    transaction.prepare_cached("DELETE FROM inputs WHERE job = ?1")?.execute([id.to_bytes()])?;
    Ok(())
}

pub(super) fn unfinished(connection: &Connection) -> Result<Vec<JobId>> {
    let mut statement = connection
        .prepare_cached(&format!("SELECT id FROM jobs WHERE state < {COMPLETED} ORDER BY accepted, id"))?;
    let ids = statement.query_map([], |row| row.get(0).map(JobId::from_bytes))?;
    ids.collect()
}
