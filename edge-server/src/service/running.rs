//! The jobs that are evaluated in this process, and how long that takes.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::id::JobId;

/// What evaluations are assumed to take before one has been timed.
const FIRST_MEAN: Duration = Duration::from_millis(100);

/// The jobs that are evaluated in this process. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Running(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// Each with whether it is cancelled.
    jobs: HashMap<JobId, Arc<AtomicBool>>,
    /// Mean time of the last evaluations.
    mean: Duration,
}

impl Default for State {
    fn default() -> Self {
        Self { jobs: HashMap::new(), mean: FIRST_MEAN }
    }
}

/// One of them, until this is dropped, however that comes about.
#[derive(Debug)]
pub(super) struct Run {
    job: JobId,
    cancelled: Arc<AtomicBool>,
    among: Running,
}

impl Run {
    pub(super) fn job(&self) -> JobId {
        self.job
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.among.state().jobs.remove(&self.job);
    }
}

impl Running {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job, unless it is among them.
    pub(super) fn add(&self, job: JobId) -> Option<Run> {
        match self.state().jobs.entry(job) {
            Entry::Occupied(_) => None,
            Entry::Vacant(entry) => {
                let cancelled = Arc::clone(entry.insert(Arc::default()));
                Some(Run { job, cancelled, among: self.clone() })
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_over_when_whoever_evaluates_it_panics() {
        let (running, job) = (Running::default(), JobId::from_bytes([1; 16]));
        let among = running.clone();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _run = among.add(job).expect("it is the first");
            assert!(among.add(job).is_none(), "it runs once");
            panic!("as it was told to");
        }));
        assert!(panicked.is_err());
        assert_eq!(running.jobs(), []);
        assert!(running.add(job).is_some());
    }
}
