//! Reading jobs, and waiting for them.

use std::time::Duration;

use futures_util::future::{Either, select};
use http::StatusCode;

use super::{Call, Reply, Service, store_failed};
use crate::{
    header,
    id::{JobId, ModelKey},
    media::Media,
    message::{Diagnostics, JobView, ResultView},
    payload::Encoding,
    port::{Clock, Host},
    problem::{Code, Problem},
    store::{Job, JobState, Store},
};

/// How often a job is looked at that another process may finish.
const POLL: Duration = Duration::from_millis(250);

impl<H: Host> Service<H> {
    /// `GET /jobs/{job_id}`
    pub(super) async fn read_job(&self, call: &Call) -> Result<Reply, Problem> {
        let id = job_id(call)?;
        let wait = header::wait(&call.parts.headers, self.settings.max_wait);
        let job = self.wait_for_job(call, id, wait.unwrap_or_default()).await?.ok_or_else(unknown_job)?;
        let reply = job_reply(call.media, job)?;
        Ok(match wait {
            Some(wait) => {
                let (name, value) = header::wait_applied(wait);
                reply.with(name, &value)
            }
            None => reply,
        })
    }

    /// `DELETE /jobs/{job_id}`
    pub(super) async fn delete_job(&self, call: &Call) -> Result<Reply, Problem> {
        let id = job_id(call)?;
        if !self.host.store().delete_job(&call.tenant, id).await.map_err(store_failed)? {
            return Err(unknown_job());
        }
        self.running.cancel(id);
        self.completions.announce(id);
        tracing::info!(job = %id, "deleted");
        Ok(Reply::empty(StatusCode::NO_CONTENT))
    }

    /// Finds a job of the caller.
    pub(super) async fn find_job(&self, call: &Call, id: JobId) -> Result<Job, Problem> {
        self.host.store().job(&call.tenant, id).await.map_err(store_failed)?.ok_or_else(unknown_job)
    }

    /// Says that a job has ended, in this process or another one.
    pub fn announce(&self, id: JobId) {
        self.completions.announce(id);
    }

    /// Reads a job, and waits until it is final or `wait` is over.
    pub(super) async fn wait_for_job(
        &self,
        call: &Call,
        id: JobId,
        wait: Duration,
    ) -> Result<Option<Job>, Problem> {
        let clock = self.host.clock();
        let end = clock.elapsed() + wait;
        loop {
            let finished = self.completions.wait_for(id);
            let job = self.host.store().job(&call.tenant, id).await.map_err(store_failed);
            let left = end.saturating_sub(clock.elapsed());
            let over = left.is_zero() || !matches!(&job, Ok(Some(job)) if !job.state.is_final());
            if !over {
                let time = if self.host.store().is_shared() { left.min(POLL) } else { left };
                let timeout = std::pin::pin!(clock.sleep(time));
                if let Either::Right(((), finished)) = select(finished, timeout).await {
                    drop(finished);
                    self.completions.tidy(id);
                    if time == left {
                        return self.host.store().job(&call.tenant, id).await.map_err(store_failed);
                    }
                }
                continue;
            }
            drop(finished);
            self.completions.tidy(id);
            return job;
        }
    }
}

fn unknown_job() -> Problem {
    Problem::new(Code::UnknownJob, "There is no such job.")
}

fn job_id(call: &Call) -> Result<JobId, Problem> {
    JobId::parse(call.parameter(0)).ok_or_else(unknown_job)
}

/// Writes a job as the body of a 200 answer.
pub(super) fn job_reply(media: Media, job: Job) -> Result<Reply, Problem> {
    let Job { request, state } = job;
    let (status, result, error) = match state {
        JobState::Queued => ("queued", None, None),
        JobState::Running => ("running", None, None),
        JobState::Failed { failure } => ("failed", None, Some(Problem::new(failure.code, failure.detail))),
        JobState::Completed { result } => {
            // JSON has no byte strings.
            let encoding = match (request.encoding, media) {
                (Encoding::Bytes, Media::Json) => Encoding::Base64,
                (encoding, _) => encoding,
            };
            let diagnostics = Diagnostics {
                requested_batch_size: request.batch_size,
                processed_batch_size: request.batch_size,
                batch_truncated: false,
            };
            let ModelKey { model_id, version } = request.model;
            let payload = encoding.encode(result);
            ("completed", Some(ResultView { model_id, version, encoding, payload, diagnostics }), None)
        }
    };
    let view = JobView { job_id: request.id, status, result, error };
    Ok(Reply::json_or_cbor(media, &view)?.status_is(StatusCode::OK))
}
