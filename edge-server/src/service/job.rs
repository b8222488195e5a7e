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

impl<H: Host> Service<H> {
    /// `GET /jobs/{job_id}`
    pub(super) async fn read_job(&self, call: &Call) -> Result<Reply, Problem> {
        let unknown = || Problem::new(Code::UnknownJob, "There is no such job.");
        let id = JobId::parse(call.parameter(0)).ok_or_else(unknown)?;
        let wait = header::wait(&call.parts.headers, self.settings.max_wait);
        let job = self.wait_for_job(call, id, wait.unwrap_or_default()).await?.ok_or_else(unknown)?;
        let reply = job_reply(call.media, job)?;
        Ok(match wait {
            Some(wait) => {
                let (name, value) = header::wait_applied(wait);
                reply.with(name, &value)
            }
            None => reply,
        })
    }

    /// Reads a job, and waits until it is final or `wait` is over.
    pub(super) async fn wait_for_job(
        &self,
        call: &Call,
        id: JobId,
        wait: Duration,
    ) -> Result<Option<Job>, Problem> {
        let read = || async { self.host.store().job(&call.tenant, id).await.map_err(store_failed) };
        if wait.is_zero() {
            return read().await;
        }
        let finished = self.completions.wait_for(id);
        let job = read().await?;
        if job.as_ref().is_none_or(|job| job.state.is_final()) {
            drop(finished);
            self.completions.tidy(id);
            return Ok(job);
        }
        let timeout = std::pin::pin!(self.host.clock().sleep(wait));
        match select(finished, timeout).await {
            Either::Left(_) => read().await,
            Either::Right(((), finished)) => {
                drop(finished);
                self.completions.tidy(id);
                read().await
            }
        }
    }
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
