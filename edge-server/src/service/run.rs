//! Runs jobs. Called by the host's executor, away from the threads that serve requests.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use ckks_core::{EvaluationKeys, Instruction};
use futures_util::FutureExt;
use tracing::{Instrument, Span};

use super::{Service, store_failed};
use crate::{
    decode,
    id::{JobId, KeyName, KeySetId, ModelKey},
    metrics::Metrics,
    port::{Clock, Host, Timestamp},
    problem::{Code, Problem},
    registry::Model,
    store::{ClaimedJob, Failure, JobRequest, Store, StoreError},
};

/// How often an outcome is offered to a store that fails, and how long after the first time; each
/// further wait is twice as long.
const OFFERS: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// Why an evaluation was stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    Cancelled,
    Late,
}

/// Follows an evaluation from instruction to instruction.
struct Follower<'a, C> {
    clock: &'a C,
    metrics: &'a Metrics,
    model: &'a ModelKey,
    cancelled: &'a AtomicBool,
    /// When it is too late, by the clock that never goes back.
    end: Duration,
    /// The instruction that runs, and since when.
    current: Option<(usize, &'static str, Duration)>,
    stop: Option<Stop>,
}

impl<C: Clock> Follower<'_, C> {
    fn finish_current(&mut self, now: Duration) {
        if let Some((index, name, since)) = self.current.take() {
            self.metrics.layer(self.model, index, name, now.saturating_sub(since));
        }
    }

    /// Notes that an instruction ends and the next one begins, and says whether it may.
    fn goes_on(&mut self, index: usize, instruction: &Instruction) -> bool {
        let now = self.clock.elapsed();
        self.finish_current(now);
        self.current = Some((index, instruction.name(), now));
        self.stop = if self.cancelled.load(Ordering::Relaxed) {
            Some(Stop::Cancelled)
        } else {
            (now >= self.end).then_some(Stop::Late)
        };
        self.stop.is_none()
    }
}

/// A job that was evaluated, and whose outcome is not stored yet. [`Service::settle`] it: until then its
/// lease is renewed.
#[derive(Debug)]
#[must_use]
pub struct Evaluated {
    id: JobId,
    /// Nothing if its caller has deleted it, or it has become another's.
    outcome: Option<Result<Bytes, Problem>>,
    at: Timestamp,
    span: Span,
}

impl<H: Host> Service<H> {
    /// Takes the next job, evaluates it and stores its outcome; `false` when no job waits.
    ///
    /// A job that panics fails alone. Evaluation is deterministic, so that a job that runs again
    /// after a restart gives the same bytes.
    ///
    /// # Errors
    /// [`StoreError`], in which case the job is still unfinished, and another's to take when its
    /// lease has run out.
    pub async fn run_next(&self) -> Result<bool, StoreError> {
        match self.evaluate_next().await? {
            Some(evaluated) => self.settle(evaluated).await.map(|()| true),
            None => Ok(false),
        }
    }

    /// The first half of [`Self::run_next`], for hosts that take the next job while the outcome of
    /// this one is being stored.
    ///
    /// # Errors
    /// [`StoreError`], in which case no job was taken, or one that is another's to take when its lease
    /// has run out.
    pub async fn evaluate_next(&self) -> Result<Option<Evaluated>, StoreError> {
        // Nobody takes a job for the first time while one runs alone.
        let place = self.places.take(1).await;
        let Some(job) = self.host.store().claim_job(self.claim()).await? else { return Ok(None) };
        let (id, interrupted) = (job.request.id, job.interrupted);
        let span = tracing::info_span!("job", %id);
        async {
            let cancelled = self.running.add(id);
            let outcome = if interrupted == 0 {
                Ok(self.run(job, &cancelled).await)
            } else {
                drop(place);
                self.run_again(job, &cancelled).await
            };
            if outcome.is_err() {
                self.running.remove(id);
            }
            Ok(Some(Evaluated { id, outcome: outcome?, at: self.now(), span: Span::current() }))
        }
        .instrument(span)
        .await
    }

    /// The second half of [`Self::run_next`]: stores the outcome, and tells those who wait for it.
    ///
    /// # Errors
    /// As for [`Self::run_next`].
    pub async fn settle(&self, evaluated: Evaluated) -> Result<(), StoreError> {
        let Evaluated { id, outcome, at, span } = evaluated;
        let stored = match outcome {
            Some(outcome) => self.store_outcome(id, outcome, at).instrument(span).await,
            None => Ok(()),
        };
        self.running.remove(id);
        self.completions.announce(id);
        stored
    }

    /// Runs a job whose process ended before, and nothing beside it: if this one ends too, no other
    /// job has been started in vain.
    async fn run_again(
        &self,
        job: ClaimedJob,
        cancelled: &AtomicBool,
    ) -> Result<Option<Result<Bytes, Problem>>, StoreError> {
        if job.interrupted >= self.settings.attempts {
            tracing::error!(interrupted = job.interrupted, "given up");
            self.metrics.finished(&job.request.model, Some(Code::EvaluationFailed), Duration::ZERO);
            return Ok(Some(Err(given_up(job.interrupted))));
        }
        let _all = self.places.take(self.places.total()).await;
        if !self.host.store().start_again(self.claim(), job.request.id).await? {
            return Ok(None);
        }
        tracing::info!(interrupted = job.interrupted, "runs again, alone");
        Ok(self.run(job, cancelled).await)
    }

    /// Evaluates a job; nothing comes of one that was deleted meanwhile.
    async fn run(&self, job: ClaimedJob, cancelled: &AtomicBool) -> Option<Result<Bytes, Problem>> {
        let ClaimedJob { request, inputs, .. } = job;
        let started = self.host.clock().elapsed();
        let waited = self.now().0.saturating_sub(request.accepted.0);
        self.metrics.waited(Duration::from_millis(waited));
        let outcome = if self.now() >= request.deadline {
            Err(late())
        } else {
            // What unwinds is dropped: keys, inputs and the unfinished result are this job's own.
            let evaluation = AssertUnwindSafe(self.evaluate(&request, &inputs, cancelled));
            evaluation.catch_unwind().await.unwrap_or_else(|_| Err(broken_off()))
        };
        drop(inputs);
        let took = self.host.clock().elapsed().saturating_sub(started);
        let code = outcome.as_ref().err().map(Problem::code);
        if code.is_none() {
            self.running.note(took);
        }
        if cancelled.load(Ordering::Relaxed) {
            tracing::info!(model = %request.model, "stopped, its caller has deleted it");
            return None;
        }
        self.metrics.finished(&request.model, code, took);
        tracing::info!(
            model = %request.model,
            code = code.map_or("", Code::name),
            milliseconds = took.as_secs_f64() * 1e3,
            "evaluated"
        );
        Some(outcome)
    }

    /// Offers the outcome to the store until it takes it: what was computed is not thrown away for a
    /// moment without disk or connection.
    async fn store_outcome(
        &self,
        id: JobId,
        outcome: Result<Bytes, Problem>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let outcome =
            outcome.map_err(|problem| Failure { code: problem.code(), detail: problem.detail().to_owned() });
        let mut wait = FIRST_WAIT;
        for _ in 1..OFFERS {
            let Err(error) = self.host.store().finish_job(id, outcome.clone(), at).await else {
                return Ok(());
            };
            tracing::warn!(reason = %error, "the outcome could not be stored; trying again");
            self.host.clock().sleep(wait).await;
            wait *= 2;
        }
        self.host.store().finish_job(id, outcome, at).await
    }

    async fn evaluate(
        &self,
        request: &JobRequest,
        inputs: &[Bytes],
        cancelled: &AtomicBool,
    ) -> Result<Bytes, Problem> {
        let model = self.registry.model(&request.model)?;
        // Every model fits the whole budget, which was checked at the start.
        let _loan = self.evaluations.take(model.evaluation_bytes()).await;
        let keys = match request.key_set {
            Some(id) => self.evaluation_keys(request, model, id).await?,
            None => Arc::new(EvaluationKeys::new()),
        };
        let clock = self.host.clock();
        let left = Duration::from_millis(request.deadline.0.saturating_sub(self.now().0));
        let mut follower = Follower {
            clock,
            metrics: &self.metrics,
            model: model.key(),
            cancelled,
            end: clock.elapsed().saturating_add(left),
            current: None,
            stop: None,
        };
        let result =
            model.evaluate(inputs, &keys, |index, instruction| follower.goes_on(index, instruction))?;
        follower.finish_current(clock.elapsed());
        result.ok_or_else(|| match follower.stop {
            Some(Stop::Late) => late(),
            _ => Problem::new(Code::EvaluationFailed, "The job was deleted."),
        })
    }

    /// Finds the prepared keys of a set, or prepares them from the store.
    async fn evaluation_keys(
        &self,
        request: &JobRequest,
        model: &Model,
        id: KeySetId,
    ) -> Result<Arc<EvaluationKeys>, Problem> {
        if let Some(keys) = self.prepared_keys.get(id) {
            self.metrics.key_cache("hit", 1);
            return Ok(keys);
        }
        self.metrics.key_cache("miss", 1);
        // Before they are prepared, so that they and the cache are never in memory both.
        let evicted = self.prepared_keys.make_room(model.prepared_key_bytes());
        self.metrics.key_cache("eviction", evicted);
        let mut keys = EvaluationKeys::new();
        for (name, requirement) in model.evaluation_keys() {
            let bytes = self.host.store().key(&request.tenant, id, *name).await.map_err(store_failed)?;
            let bytes = bytes.ok_or_else(|| key_gone(*name))?;
            decode::insert_key(&mut keys, model.params(), *name, requirement.level, &bytes)?;
        }
        let keys = Arc::new(keys);
        let evicted = self.prepared_keys.insert(id, Arc::clone(&keys), keys.bytes());
        self.metrics.key_cache("eviction", evicted);
        Ok(keys)
    }
}

fn key_gone(name: KeyName) -> Problem {
    Problem::new(Code::EvaluationFailed, format!("The key {name} was deleted before the job ran."))
}

fn broken_off() -> Problem {
    Problem::new(Code::EvaluationFailed, "The evaluation broke off.")
}

fn given_up(interrupted: u32) -> Problem {
    let detail = format!("The evaluation was given up after {interrupted} starts that never ended.");
    Problem::new(Code::EvaluationFailed, detail)
}

fn late() -> Problem {
    Problem::new(Code::DeadlineExceeded, "The job was not finished before its deadline.")
}
