//! Runs jobs. Called by the host's executor, away from the threads that serve requests.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use bytes::Bytes;
use ckks_core::Instruction;
use futures_util::FutureExt;
use tracing::{Instrument, Span};

use super::{
    Service,
    halt::Halt,
    phase::{Phase, Step},
    running::Run,
};
use crate::{
    budget::Loan,
    id::{JobId, ModelKey},
    metrics::Metrics,
    port::{Clock, Executor, Host, Timestamp},
    problem::{Code, Problem},
    store::{
        Claimed, ClaimedJob, Failure, JobRequest, Store, StoreError,
        put_off::{self, Failed, PutOff},
    },
};

/// How long after the first time an outcome is offered again to a store that fails; each further wait is
/// twice as long, up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// A job whose process ended so often during it runs alone. The first time is far more often somebody's
/// `kill` than the job's doing, and one by one what ran then would take long.
const ALONE: u32 = 2;

/// Follows an evaluation from instruction to instruction.
struct Follower<'a, H> {
    host: &'a H,
    metrics: &'a Metrics,
    model: &'a ModelKey,
    run: &'a Run,
    phase: &'a Phase,
    /// When it is too late, by the clock that never goes back.
    end: Duration,
    /// The instruction that runs, and since when.
    current: Option<(usize, &'static str, Duration)>,
    /// Why it was stopped.
    stopped: Option<Halt>,
}

impl<H: Host> Follower<'_, H> {
    fn finish_current(&mut self, now: Duration) {
        if let Some((index, name, since)) = self.current.take() {
            self.metrics.layer(self.model, index, name, now.saturating_sub(since));
            self.run.spans.layer(self.host.entropy(), index, name, (since, now));
        }
    }

    /// Notes that an instruction ends and the next one begins, and says whether it may.
    fn goes_on(&mut self, index: usize, instruction: &Instruction) -> bool {
        let now = self.host.clock().elapsed();
        self.finish_current(now);
        self.current = Some((index, instruction.name(), now));
        self.stopped = if self.run.is_cancelled() {
            Some(Halt::Gone)
        } else if now >= self.end {
            Some(Halt::Failed(late()))
        } else {
            self.phase.has_come_to(Step::Halting).then_some(Halt::Stopping)
        };
        self.stopped.is_none()
    }
}

/// A job that was evaluated, and whose outcome is not stored yet. [`Service::settle`] it: until then its
/// lease is renewed.
#[derive(Debug)]
#[must_use]
pub struct Evaluated {
    run: Run,
    deadline: Timestamp,
    /// Nothing if its caller has deleted it, or it has become another's.
    outcome: Option<Result<Bytes, Problem>>,
    at: Timestamp,
    span: Span,
}

/// What [`Service::evaluate_next`] comes to.
#[derive(Debug)]
#[must_use]
pub enum Next {
    /// A job was evaluated.
    Evaluated(Evaluated),
    /// There is none to take. If some only wait for their time, the first of them may be taken when this is over.
    Idle(Option<Duration>),
}

impl Next {
    /// The job, if there was one.
    pub fn evaluated(self) -> Option<Evaluated> {
        match self {
            Self::Evaluated(evaluated) => Some(evaluated),
            Self::Idle(_) => None,
        }
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
        match self.evaluate_next().await? {
            Next::Evaluated(evaluated) => self.settle(evaluated).await.map(|()| true),
            Next::Idle(_) => Ok(false),
        }
    }

    /// Runs jobs as [`Self::run_next`] does, until none is to be taken.
    ///
    /// # Errors
    /// The first [`StoreError`]. A job that could not be taken ends the run; one whose outcome could not be stored
    /// does not.
    pub async fn run_all(&self) -> Result<(), StoreError> {
        let mut outcome = Ok(());
        loop {
            match self.evaluate_next().await {
                Ok(Next::Evaluated(evaluated)) => outcome = outcome.and(self.settle(evaluated).await),
                Ok(Next::Idle(_)) => return outcome,
                Err(error) => return outcome.and(Err(error)),
            }
        }
    }

    /// The first half of [`Self::run_next`], for hosts that take the next job while the outcome of
    /// this one is being stored. A job that the store fails is put off, and the next one is taken: it stops no
    /// other.
    ///
    /// # Errors
    /// [`StoreError`], in which case no job was taken, or one is another's to take when its lease has run out.
    pub async fn evaluate_next(&self) -> Result<Next, StoreError> {
        loop {
            // Nobody takes a job for the first time while one runs alone.
            let place = self.places.take(1).await;
            if self.phase.has_come_to(Step::Ceasing) {
                return Ok(Next::Idle(None));
            }
            let job = match self.host.store().claim_job(self.claim()).await? {
                Claimed::Job(job) => job,
                Claimed::Nothing(until) => return Ok(Next::Idle(until)),
            };
            // One whose lease has run out here while its outcome waits for the store has been taken
            // again by whoever has it: that renews the lease and counts nothing.
            let Some(mut run) = self.running.add(job.request.id) else { continue };
            run.spans = self.begin_job_spans(&job.request, job.interrupted);
            let trace = job.request.trace.map(|trace| trace.trace_id());
            let span = tracing::info_span!("job", id = %job.request.id, trace);
            if let Some(evaluated) = self.evaluate_or_give_back(job, place, run).instrument(span).await? {
                return Ok(Next::Evaluated(evaluated));
            }
        }
    }

    /// Evaluates a job that was taken; nothing if it was given back.
    async fn evaluate_or_give_back(
        &self,
        job: ClaimedJob,
        place: Option<Loan>,
        run: Run,
    ) -> Result<Option<Evaluated>, StoreError> {
        let (interrupted, failures, deadline) = (job.interrupted, job.failures, job.request.deadline);
        let outcome = match self.start(job, place, &run).await {
            Ok(result) => Some(Ok(result)),
            Err(Halt::Failed(problem)) => Some(Err(problem)),
            Err(Halt::Gone) => None,
            Err(Halt::Store(failed, error)) => {
                let delay = put_off::delay(failures, self.now(), deadline);
                let failures = failures.saturating_add(1);
                tracing::warn!(reason = %error, failures, "the store has failed it");
                self.give_back(run, interrupted, Some(PutOff { delay, failed }), deadline).await?;
                tracing::info!(failures, milliseconds = delay.as_secs_f64() * 1e3, "put off");
                return Ok(None);
            }
            Err(Halt::Stopping) => {
                self.give_back(run, interrupted, None, deadline).await?;
                tracing::info!("stopped with the service; the job waits again");
                return Ok(None);
            }
        };
        Ok(Some(Evaluated { run, deadline, outcome, at: self.now(), span: Span::current() }))
    }

    /// The second half of [`Self::run_next`]: stores the outcome, and tells those who wait for it.
    ///
    /// # Errors
    /// As for [`Self::run_next`].
    pub async fn settle(&self, evaluated: Evaluated) -> Result<(), StoreError> {
        let Evaluated { run, deadline, outcome, at, span } = evaluated;
        let (id, since) = (run.job(), self.host.clock().elapsed());
        let code = outcome.as_ref().and_then(|outcome| outcome.as_ref().err()).map(Problem::code);
        let stored = match outcome {
            Some(outcome) => self.store_outcome(id, outcome, at, deadline).instrument(span).await,
            None => Ok(()),
        };
        run.spans.stored(&self.host, since);
        self.end_job_spans(&run.spans, stored.as_ref().map_or(Some(Code::StoreUnavailable), |()| code));
        drop(run);
        self.completions.announce(id);
        stored
    }

    /// Starts a job that was taken: beside others, unless its process ended several times during it. Then
    /// nothing runs beside it: if this one ends too, no other job has been started in vain.
    async fn start(&self, job: ClaimedJob, place: Option<Loan>, run: &Run) -> Result<Bytes, Halt> {
        let (interrupted, attempts) = (job.interrupted, self.settings.attempts);
        if interrupted == 0 {
            return self.run(job, run).await;
        }
        if interrupted >= attempts {
            tracing::error!(interrupted, "given up");
            self.metrics.finished(&job.request.model, Some(Code::EvaluationFailed), Duration::ZERO);
            return Err(given_up(interrupted).into());
        }
        // The last start is not left to what others do either.
        let alone = interrupted >= ALONE || interrupted + 1 == attempts;
        let _places = if alone {
            drop(place);
            self.places.take(self.places.total()).await
        } else {
            place
        };
        if self.phase.has_come_to(Step::Ceasing) {
            return Err(Halt::Stopping);
        }
        if !self.host.store().start_again(self.claim(), job.request.id).await? {
            return Err(Halt::Gone);
        }
        tracing::info!(interrupted, alone, "runs again");
        self.run(job, run).await
    }

    /// Evaluates a job; nothing comes of one that was deleted meanwhile. What the store fails in the middle of the
    /// evaluation, and has failed there often, is given up: what fails for good is not evaluated until its time is over.
    async fn run(&self, job: ClaimedJob, run: &Run) -> Result<Bytes, Halt> {
        let ClaimedJob { request, inputs, interrupted, failures, midway } = job;
        let started = self.host.clock().elapsed();
        // Once for each job: at a further try the time from acceptance is not that of waiting for a first one.
        if interrupted == 0 && failures == 0 {
            let waited = self.now().0.saturating_sub(request.accepted.0);
            self.metrics.waited(Duration::from_millis(waited));
        }
        let outcome = match &inputs {
            _ if self.now() >= request.deadline => Err(late().into()),
            None => Err(StoreError::new("the inputs of the job cannot be read now").into()),
            Some(inputs) => {
                // What unwinds is dropped: keys, inputs and the unfinished result are this job's own.
                let evaluation = AssertUnwindSafe(self.evaluate(&request, inputs, run));
                evaluation.catch_unwind().await.unwrap_or_else(|_| Err(broken_off().into()))
            }
        };
        let midway = midway.saturating_add(1);
        let outcome = outcome.map_err(|halt| match halt {
            Halt::Store(Failed::Midway, error) if midway >= self.settings.attempts => {
                tracing::error!(reason = %error, midway, "given up");
                failed_by_the_store(midway).into()
            }
            halt => halt,
        });
        drop(inputs);
        let took = self.host.clock().elapsed().saturating_sub(started);
        run.spans.evaluated(self.host.clock(), started);
        if run.is_cancelled() {
            tracing::info!(model = %request.model, "stopped, its caller has deleted it");
            return Err(Halt::Gone);
        }
        let code = match &outcome {
            Ok(_) => {
                self.running.note(took);
                None
            }
            Err(Halt::Failed(problem)) => Some(problem.code()),
            Err(_) => return outcome,
        };
        self.metrics.finished(&request.model, code, took);
        tracing::info!(
            model = %request.model,
            code = code.map_or("", Code::name),
            milliseconds = took.as_secs_f64() * 1e3,
            "evaluated"
        );
        outcome
    }

    /// Stores the outcome: what was computed is not thrown away for a time without disk or connection.
    async fn store_outcome(
        &self,
        id: JobId,
        outcome: Result<Bytes, Problem>,
        at: Timestamp,
        deadline: Timestamp,
    ) -> Result<(), StoreError> {
        let outcome =
            outcome.map_err(|problem| Failure { code: problem.code(), detail: problem.detail().to_owned() });
        self.insist(deadline, || self.host.store().finish_job(id, outcome.clone(), at)).await
    }

    /// Gives back a job that was not evaluated, so that this start is not counted.
    async fn give_back(
        &self,
        run: Run,
        interrupted: u32,
        put_off: Option<PutOff>,
        deadline: Timestamp,
    ) -> Result<(), StoreError> {
        let (id, store) = (run.job(), self.host.store());
        loop {
            self.insist(deadline, || store.give_back(self.claim(), id, interrupted, put_off)).await?;
            // Another thread may have claimed it at once, and left it to this one.
            if run.end_unless_claimed_again() {
                return Ok(());
            }
        }
    }

    /// Asks the store for the same until it does it, the job's time is over, or the service halts; the
    /// job's lease is renewed meanwhile.
    async fn insist<F>(&self, deadline: Timestamp, ask: impl Fn() -> F) -> Result<(), StoreError>
    where
        F: Future<Output = Result<(), StoreError>>,
    {
        let mut wait = FIRST_WAIT;
        while let Err(error) = ask().await {
            if self.phase.has_come_to(Step::Halting) || self.now() >= deadline {
                return Err(error);
            }
            tracing::warn!(reason = %error, "the store does not take what became of a job; trying again");
            self.host.clock().sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
        Ok(())
    }

    async fn evaluate(&self, request: &JobRequest, inputs: &[Bytes], run: &Run) -> Result<Bytes, Halt> {
        let model = self.registry.model(&request.model)?;
        // Every model fits the whole budget, which was checked at the start.
        let _loan = self.evaluations.take(model.evaluation_bytes()).await;
        let keys = self.keys_of(request, model, run).await?;
        let clock = self.host.clock();
        let left = Duration::from_millis(request.deadline.0.saturating_sub(self.now().0));
        let mut follower = Follower {
            host: &self.host,
            metrics: &self.metrics,
            model: model.key(),
            run,
            phase: &self.phase,
            end: clock.elapsed().saturating_add(left),
            current: None,
            stopped: None,
        };
        let team = self.host.executor().team();
        let result =
            model.evaluate(inputs, &keys, &team, |index, instruction| follower.goes_on(index, instruction));
        follower.finish_current(clock.elapsed());
        // A key that the store did not give is no failure of the job.
        if let Some(halt) = keys.into_halt() {
            return Err(halt);
        }
        result?.ok_or_else(|| follower.stopped.unwrap_or(Halt::Gone))
    }
}

fn broken_off() -> Problem {
    Problem::new(Code::EvaluationFailed, "The evaluation broke off.")
}

fn given_up(interrupted: u32) -> Problem {
    let detail = format!("The evaluation was given up after {interrupted} starts that never ended.");
    Problem::new(Code::EvaluationFailed, detail)
}

fn failed_by_the_store(failures: u32) -> Problem {
    let detail = format!("The evaluation was given up after {failures} failures of the store.");
    Problem::new(Code::EvaluationFailed, detail)
}

fn late() -> Problem {
    Problem::new(Code::DeadlineExceeded, "The job was not finished before its deadline.")
}
