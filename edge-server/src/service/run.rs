//! Runs jobs. Called by the host's executor, on its own threads.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use bytes::Bytes;
use ckks_core::EvaluationKeys;
use tracing::Instrument;

use super::{Service, store_failed};
use crate::{
    decode,
    id::{JobId, KeyName, KeySetId},
    port::{Clock, Host},
    problem::{Code, Problem},
    registry::Model,
    store::{Failure, JobRequest, Store, StoreError},
};

impl<H: Host> Service<H> {
    /// Evaluates a stored job and stores its outcome; does nothing when it has one already.
    ///
    /// A job that panics fails alone. Evaluation is deterministic, so that a job that runs again
    /// after a restart gives the same bytes.
    ///
    /// # Errors
    /// [`StoreError`], in which case the job is still unfinished.
    pub async fn run_job(&self, id: JobId) -> Result<(), StoreError> {
        let span = tracing::info_span!("job", %id);
        async {
            let Some((request, inputs)) = self.host.store().start_job(id).await? else { return Ok(()) };
            let started = self.host.clock().elapsed();
            let outcome = self.evaluate(&request, &inputs).await;
            let took = self.host.clock().elapsed().saturating_sub(started);
            tracing::info!(
                model = %request.model,
                code = outcome.as_ref().err().map_or("", |problem| problem.code().name()),
                milliseconds = took.as_secs_f64() * 1e3,
                "evaluated"
            );
            let outcome = outcome
                .map_err(|problem| Failure { code: problem.code(), detail: problem.detail().to_owned() });
            let stored = self.host.store().finish_job(id, outcome).await;
            self.completions.announce(id);
            stored
        }
        .instrument(span)
        .await
    }

    async fn evaluate(&self, request: &JobRequest, inputs: &[Bytes]) -> Result<Bytes, Problem> {
        let model = self.registry.model(&request.model)?;
        let keys = match request.key_set {
            Some(id) => self.evaluation_keys(request, model, id).await?,
            None => Arc::new(EvaluationKeys::new()),
        };
        // What unwinds is dropped: the inputs and the unfinished result are this job's own.
        catch_unwind(AssertUnwindSafe(|| model.evaluate(inputs, &keys)))
            .unwrap_or_else(|_| Err(Problem::new(Code::EvaluationFailed, "The evaluation broke off.")))
    }

    /// Finds the prepared keys of a set, or prepares them from the store.
    async fn evaluation_keys(
        &self,
        request: &JobRequest,
        model: &Model,
        id: KeySetId,
    ) -> Result<Arc<EvaluationKeys>, Problem> {
        if let Some(keys) = self.prepared_keys.get(id) {
            return Ok(keys);
        }
        let mut keys = EvaluationKeys::new();
        for (name, requirement) in model.evaluation_keys() {
            let bytes = self.host.store().key(&request.tenant, id, *name).await.map_err(store_failed)?;
            let bytes = bytes.ok_or_else(|| key_gone(*name))?;
            decode::insert_key(&mut keys, model.params(), *name, requirement.level, &bytes)?;
        }
        let keys = Arc::new(keys);
        self.prepared_keys.insert(id, Arc::clone(&keys), keys.bytes());
        Ok(keys)
    }
}

fn key_gone(name: KeyName) -> Problem {
    Problem::new(Code::EvaluationFailed, format!("The key {name} was deleted before the job ran."))
}
