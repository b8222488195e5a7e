//! `POST /infer`: every layer of validation in its order, then the job on disk, then the answer.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{StatusCode, header as names};

use super::{
    Call, Reply, Service,
    job::job_reply,
    job_path, key_set,
    repetition::{self, idempotency},
    store_failed,
};
use crate::{
    completion::End,
    decode,
    document::Document,
    header,
    id::{JobId, KeySetId, ModelKey},
    message::{Accepted, InferRequest, payload_pointer},
    payload::Encoding,
    port::{Executor, Host},
    problem::{Code, Problem},
    registry::Model,
    store::{Full, Inserted, JobRequest, Made, QueueBounds, Remembered, Store},
};

/// A request that has passed every layer.
struct Validated {
    model: ModelKey,
    key_set: Option<KeySetId>,
    batch_size: u32,
    encoding: Encoding,
    inputs: Vec<Bytes>,
    deadline: Duration,
}

impl<H: Host> Service<H> {
    /// `POST /infer`
    pub(super) async fn infer<B: http_body::Body>(&self, call: &Call, body: B) -> Result<Reply, Problem>
    where
        B::Error: std::fmt::Display,
    {
        let limit = self.registry.limits().infer_bytes;
        let (media, bytes, loan) = self.receive_document(call, body, limit).await?;
        let document = Document::read(media, &bytes)?;
        self.envelopes.check_infer(&document)?;
        let idempotency = idempotency(call, media, &bytes)?;
        drop(bytes);
        let fingerprint = idempotency.as_ref().map(|own| own.fingerprint);
        if let Some(earlier) = self.remembered(call, idempotency.as_ref()).await? {
            drop((document, loan));
            return self.accepted_before(call, &earlier, fingerprint).await;
        }
        let Validated { model, key_set, batch_size, encoding, inputs, deadline } =
            self.validate(call, InferRequest::from_document(document)?).await?;

        let id = JobId::random(self.host.entropy());
        let accepted = self.now();
        let job = JobRequest {
            id,
            tenant: call.tenant.clone(),
            model,
            key_set,
            batch_size,
            encoding,
            accepted,
            deadline: accepted.after(deadline),
            trace: call.parts.extensions.get().copied(),
        };
        let bounds = QueueBounds {
            total: self.settings.waiting_jobs,
            tenant: self.limits_of(&call.tenant).waiting_jobs,
        };
        let end = self.wait(call).map(|_| self.completions.wait_for(id));
        let stored = self.host.store().insert_job(job, inputs, idempotency, bounds).await;
        // Who waits for the job keeps nobody's request out.
        drop(loan);
        match stored.map_err(store_failed)? {
            Inserted::New => {
                tracing::info!(job = %id, "accepted");
                self.host.executor().wake();
                self.accepted(call, id, end).await
            }
            Inserted::Remembered(earlier) => self.accepted_before(call, &earlier, fingerprint).await,
            Inserted::Refused(full) => Err(self.queue_full(full, bounds)),
        }
    }

    /// The problem of a queue that is full, with the time in which a place is likely to be free.
    fn queue_full(&self, full: Full, bounds: QueueBounds) -> Problem {
        let (code, detail, bound) = match full {
            Full::Total => (Code::QueueFull, "Too many jobs are waiting; nothing was queued.", bounds.total),
            Full::Tenant => {
                (Code::TooManyJobs, "Too many of your jobs are waiting; nothing was queued.", bounds.tenant)
            }
        };
        let turns = bound / self.host.executor().parallelism().max(1) as u64 + 1;
        // A place is free when one more job is taken; half a queue later there is room to spare.
        let wait = self.running.mean_time() * u32::try_from(turns.div_ceil(2)).unwrap_or(u32::MAX);
        Problem::new(code, detail).expected(bound).retry_after(wait)
    }

    /// Everything after the envelope: model, payloads, ciphertexts, keys, constraints.
    async fn validate(&self, call: &Call, request: InferRequest) -> Result<Validated, Problem> {
        let InferRequest { model, batch_size, inputs, key_id, deadline } = request;
        let deadline = deadline.map_or(self.settings.job_time, |wanted| wanted.min(self.settings.job_time));
        let model = self.registry.shared_model(&model)?;
        let encoding = inputs.first().map_or(Encoding::Base64, |(encoding, _)| *encoding);
        let checked = Arc::clone(&model);
        let inputs = self
            .host
            .executor()
            .offload(move || {
                let decoded = inputs.into_iter().enumerate().map(|(index, (encoding, payload))| {
                    encoding.decode(payload).map_err(|problem| problem.at(payload_pointer(index)))
                });
                let decoded: Vec<Bytes> = decoded.collect::<Result<_, _>>()?;
                for (index, bytes) in decoded.iter().enumerate() {
                    decode::input(checked.params(), checked.input_level(), bytes)
                        .map_err(|problem| problem.at(payload_pointer(index)))?;
                }
                Ok::<_, Problem>(decoded)
            })
            .await?;
        let key_set = self.check_key_set(call, &model, key_id).await?;
        check_constraints(&model, batch_size, inputs.len())?;
        Ok(Validated { model: model.key().clone(), key_set, batch_size, encoding, inputs, deadline })
    }

    /// The layer of evaluation keys.
    async fn check_key_set(
        &self,
        call: &Call,
        model: &Model,
        key_id: Option<KeySetId>,
    ) -> Result<Option<KeySetId>, Problem> {
        let names = || model.evaluation_keys().keys().map(ToString::to_string).collect::<Vec<_>>();
        let Some(id) = key_id else {
            if model.evaluation_keys().is_empty() {
                return Ok(None);
            }
            let detail = "The model needs evaluation keys: open a set with POST /keys, upload the keys, name it in key_id.";
            return Err(Problem::new(Code::EvaluationKeysRequired, detail).expected(names()));
        };
        let (set, _) = self.key_set(call, id).await.map_err(|problem| problem.at("/key_id"))?;
        if set.model != *model.key() {
            return Err(Problem::new(Code::KeyModelMismatch, "The key set was opened for another model.")
                .expected(model.key().to_string())
                .found(set.model.to_string())
                .at("/key_id"));
        }
        let missing = key_set::missing(model, &set);
        if !missing.is_empty() {
            let found: Vec<String> = set.present.keys().map(ToString::to_string).collect();
            let detail = format!("{} of {} keys are missing.", missing.len(), model.evaluation_keys().len());
            return Err(Problem::new(Code::EvaluationKeysIncomplete, detail)
                .expected(names())
                .found(found)
                .at("/key_id"));
        }
        Ok(Some(id))
    }

    /// How long the caller wants to wait for a result, and may.
    fn wait(&self, call: &Call) -> Option<Duration> {
        header::wait(&call.parts.headers, self.settings.max_wait)
    }

    /// Answers a request whose job is stored: with the job if the caller waits and it ends in
    /// time, else with where to look.
    async fn accepted(&self, call: &Call, id: JobId, end: Option<End<'_>>) -> Result<Reply, Problem> {
        let accepted = Accepted { job_id: id, status: "accepted" };
        let location = job_path(id);
        let accepted = || Ok(Reply::json_or_cbor(call.media, &accepted)?.status_is(StatusCode::ACCEPTED));
        let Some(wait) = self.wait(call) else {
            return accepted().map(|reply| reply.with(names::LOCATION, &location));
        };
        let reply = match self.wait_for_job(call, id, wait, end).await? {
            Some(job) if job.state.is_final() => job_reply(call.media, job)?,
            _ => accepted()?,
        };
        let (name, value) = header::wait_applied(wait);
        Ok(reply.with(names::LOCATION, &location).with(name, &value))
    }

    /// Answers a repeated request with the job that the first one made.
    async fn accepted_before(
        &self,
        call: &Call,
        earlier: &Remembered,
        fingerprint: Option<[u8; 32]>,
    ) -> Result<Reply, Problem> {
        match earlier.made {
            Made::Job(id) if Some(earlier.fingerprint) == fingerprint => {
                // It may have been deleted since.
                self.find_job(call, id).await?;
                self.accepted(call, id, None).await
            }
            _ => Err(repetition::conflict()),
        }
    }
}

/// The last layer: what the model takes at once.
fn check_constraints(model: &Model, batch_size: u32, inputs: usize) -> Result<(), Problem> {
    let max = model.max_batch_size();
    if batch_size > max {
        return Err(Problem::new(
            Code::BatchTooLarge,
            "The batch has more samples than the model takes at once.",
        )
        .expected(max)
        .found(batch_size)
        .at("/batch_size"));
    }
    let expected = model.input_ciphertexts() as usize;
    if inputs != expected {
        return Err(Problem::new(
            Code::InputCountMismatch,
            "The number of inputs is not that of the ciphertexts that a batch takes.",
        )
        .expected(expected)
        .found(inputs)
        .at("/inputs"));
    }
    Ok(())
}
