//! Runs jobs. Called by the host's executor, away from the threads that serve requests.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use ckks_core::{EvaluationKeys, Instruction};
use tracing::Instrument;

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

/// What evaluations are assumed to take before one has been timed.
const FIRST_MEAN: Duration = Duration::from_millis(100);

/// The jobs that are evaluated in this process.
#[derive(Debug)]
pub(super) struct Running(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Each with whether it is cancelled.
    jobs: HashMap<JobId, Arc<AtomicBool>>,
    /// Mean time of the last evaluations.
    mean: Duration,
}

impl Default for Running {
    fn default() -> Self {
        Self(Mutex::new(State { jobs: HashMap::new(), mean: FIRST_MEAN }))
    }
}

impl Running {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, job: JobId) -> Arc<AtomicBool> {
        Arc::clone(self.state().jobs.entry(job).or_default())
    }

    fn remove(&self, job: JobId) {
        self.state().jobs.remove(&job);
    }

    fn note(&self, took: Duration) {
        let mut state = self.state();
        state.mean = (state.mean * 7 + took) / 8;
    }

    /// Tells a job to stop at its next instruction.
    pub(super) fn cancel(&self, job: JobId) {
        if let Some(cancelled) = self.state().jobs.get(&job) {
            cancelled.store(true, Ordering::Relaxed);
        }
    }

    /// The jobs.
    pub(super) fn jobs(&self) -> Vec<JobId> {
        self.state().jobs.keys().copied().collect()
    }

    /// Mean time of the last evaluations.
    pub(super) fn mean_time(&self) -> Duration {
        self.state().mean
    }
}

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
        let Some(job) = self.host.store().claim_job(self.claim()).await? else { return Ok(false) };
        let id = job.request.id;
        let span = tracing::info_span!("job", %id);
        async {
            let cancelled = self.running.add(id);
            let done = self.run(job, &cancelled).await;
            self.running.remove(id);
            self.completions.announce(id);
            done.map(|()| true)
        }
        .instrument(span)
        .await
    }

    async fn run(&self, job: ClaimedJob, cancelled: &AtomicBool) -> Result<(), StoreError> {
        let ClaimedJob { request, inputs, attempt } = job;
        let started = self.host.clock().elapsed();
        let waited = self.now().0.saturating_sub(request.accepted.0);
        self.metrics.waited(Duration::from_millis(waited));
        let outcome = match self.admit(&request, attempt) {
            Ok(()) => self.evaluate(&request, &inputs, cancelled).await,
            Err(problem) => Err(problem),
        };
        drop(inputs);
        let took = self.host.clock().elapsed().saturating_sub(started);
        let code = outcome.as_ref().err().map(Problem::code);
        if code.is_none() {
            self.running.note(took);
        }
        if cancelled.load(Ordering::Relaxed) {
            tracing::info!(model = %request.model, "stopped, its caller has deleted it");
            return Ok(());
        }
        self.metrics.finished(&request.model, code, took);
        tracing::info!(
            model = %request.model,
            code = code.map_or("", Code::name),
            milliseconds = took.as_secs_f64() * 1e3,
            "evaluated"
        );
        self.store_outcome(request.id, outcome, self.now()).await
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

    /// Judges a job before it starts.
    fn admit(&self, request: &JobRequest, attempt: u32) -> Result<(), Problem> {
        if attempt > self.settings.attempts {
            let detail =
                format!("The evaluation was given up after {} starts that never ended.", attempt - 1);
            return Err(Problem::new(Code::EvaluationFailed, detail));
        }
        if self.now() >= request.deadline {
            return Err(late());
        }
        Ok(())
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
        // What unwinds is dropped: the inputs and the unfinished result are this job's own.
        let result = catch_unwind(AssertUnwindSafe(|| {
            model.evaluate(inputs, &keys, |index, instruction| follower.goes_on(index, instruction))
        }))
        .unwrap_or_else(|_| Err(Problem::new(Code::EvaluationFailed, "The evaluation broke off.")))?;
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

fn late() -> Problem {
    Problem::new(Code::DeadlineExceeded, "The job was not finished before its deadline.")
}
