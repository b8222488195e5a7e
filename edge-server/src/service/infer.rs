//! `POST /infer`: every layer of validation in its order, then the job on disk, then the answer.

use std::sync::Arc;

use bytes::Bytes;
use http::{StatusCode, header as names};

use super::{Call, Reply, Service, fingerprint, job::job_reply, job_path, key_set, store_failed};
use crate::{
    decode,
    document::Document,
    header,
    id::{JobId, KeySetId, ModelKey},
    message::{Accepted, InferRequest, payload_pointer},
    payload::Encoding,
    port::{Clock, Executor, Host, QueueFull},
    problem::{Code, Problem},
    registry::Model,
    store::{Idempotency, Inserted, JobRequest, Made, Remembered, Store},
};

/// A request that has passed every layer.
struct Validated {
    model: ModelKey,
    key_set: Option<KeySetId>,
    batch_size: u32,
    encoding: Encoding,
    inputs: Vec<Bytes>,
}

impl<H: Host> Service<H> {
    /// `POST /infer`
    pub(super) async fn infer<B: http_body::Body>(&self, call: &Call, body: B) -> Result<Reply, Problem>
    where
        B::Error: std::fmt::Display,
    {
        let (media, bytes) = self.read_body(call, body, self.registry.limits().infer_bytes).await?;
        let document = Document::read(media, &bytes)?;
        self.envelopes.check_infer(&document)?;
        let idempotency_key = header::idempotency_key(&call.parts.headers)?;
        let fingerprint = idempotency_key.as_ref().map(|_| fingerprint(&call.parts, media, &bytes));
        drop(bytes);
        let idempotency =
            idempotency_key.zip(fingerprint).map(|(key, fingerprint)| Idempotency { key, fingerprint });
        if let Some(idempotency) = &idempotency
            && let Some(earlier) = self.remembered(call, Some(&idempotency.key)).await?
        {
            return self.accepted_before(call, &earlier, idempotency.fingerprint).await;
        }
        let Validated { model, key_set, batch_size, encoding, inputs } =
            self.validate(call, InferRequest::from_document(document)?).await?;

        let place = self.host.executor().reserve().map_err(queue_full)?;
        let id = JobId::random(self.host.entropy());
        let (tenant, accepted) = (call.tenant.clone(), self.host.clock().now());
        let fingerprint = idempotency.as_ref().map(|idempotency| idempotency.fingerprint);
        let job = JobRequest { id, tenant, model, key_set, batch_size, encoding, accepted };
        match self.host.store().insert_job(job, inputs, idempotency).await.map_err(store_failed)? {
            Inserted::New => {
                tracing::info!(job = %id, "accepted");
                self.host.executor().enqueue(place, id);
                self.accepted(call, id).await
            }
            Inserted::Remembered(earlier) => {
                self.accepted_before(call, &earlier, fingerprint.unwrap_or_default()).await
            }
        }
    }

    /// Everything after the envelope: model, payloads, ciphertexts, keys, constraints.
    async fn validate(&self, call: &Call, request: InferRequest) -> Result<Validated, Problem> {
        let InferRequest { model, batch_size, inputs, key_id } = request;
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
        Ok(Validated { model: model.key().clone(), key_set, batch_size, encoding, inputs })
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

    /// Answers a request whose job is stored: with the job if the caller waits and it ends in
    /// time, else with where to look.
    async fn accepted(&self, call: &Call, id: JobId) -> Result<Reply, Problem> {
        let accepted = Accepted { job_id: id, status: "accepted" };
        let location = job_path(id);
        let accepted = || Ok(Reply::json_or_cbor(call.media, &accepted)?.status_is(StatusCode::ACCEPTED));
        let Some(wait) = header::wait(&call.parts.headers, self.settings.max_wait) else {
            return accepted().map(|reply| reply.with(names::LOCATION, &location));
        };
        let reply = match self.wait_for_job(call, id, wait).await? {
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
        fingerprint: [u8; 32],
    ) -> Result<Reply, Problem> {
        match earlier.made {
            Made::Job(id) if earlier.fingerprint == fingerprint => self.accepted(call, id).await,
            _ => Err(key_set::idempotency_conflict()),
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

fn queue_full(QueueFull { retry_after }: QueueFull) -> Problem {
    let seconds = retry_after.as_secs_f64().ceil().max(1.0) as u64;
    Problem::new(Code::QueueFull, "Too many jobs are waiting; nothing was queued.").retry_after(seconds)
}
