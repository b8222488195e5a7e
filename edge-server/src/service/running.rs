//! The jobs that are evaluated in this process, and how long that takes.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::id::JobId;

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

    pub(super) fn add(&self, job: JobId) -> Arc<AtomicBool> {
        Arc::clone(self.state().jobs.entry(job).or_default())
    }

    pub(super) fn remove(&self, job: JobId) {
        self.state().jobs.remove(&job);
    }

    pub(super) fn note(&self, took: Duration) {
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
