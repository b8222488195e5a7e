//! Reading jobs, and waiting for them.

use std::{pin::pin, time::Duration};

use futures_util::future::{Either, select};
use http::StatusCode;

use super::{Call, Reply, Service, store_failed};
use crate::{
    completion::End,
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
        let job =
            self.wait_for_job(call, id, wait.unwrap_or_default(), None).await?.ok_or_else(unknown_job)?;
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

    /// Says that another process has ended or deleted a job: nobody needs to wait for it any more, or to
    /// evaluate it.
    pub fn announce(&self, id: JobId) {
        self.running.cancel(id);
        self.completions.announce(id);
    }

    /// Reads a job, and waits until it is final or `wait` is over. Whoever has listened for its end since
    /// before it could come has nothing to see before he hears of it.
    pub(super) async fn wait_for_job(
        &self,
        call: &Call,
        id: JobId,
        wait: Duration,
        mut listening: Option<End<'_>>,
    ) -> Result<Option<Job>, Problem> {
        let until = self.host.clock().elapsed() + wait;
        let mut time_is_up = wait.is_zero();
        loop {
            if let Some(end) = listening.take() {
                time_is_up = self.hear(end, until).await;
            }
            let end = self.completions.wait_for(id);
            let job = self.host.store().job(&call.tenant, id).await.map_err(store_failed);
            if time_is_up || !matches!(&job, Ok(Some(job)) if !job.state.is_final()) {
                return job;
            }
            listening = Some(end);
        }
    }

    /// Waits until a job ends, or it is time to look whether it has; tells whether time is up.
    async fn hear(&self, end: End<'_>, until: Duration) -> bool {
        let clock = self.host.clock();
        let left = until.saturating_sub(clock.elapsed());
        let time = if self.host.store().is_shared() { left.min(POLL) } else { left };
        let timeout = pin!(clock.sleep(time));
        matches!(select(end, timeout).await, Either::Right(_)) && time == left
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
