//! The jobs that are evaluated in this process, and how long that takes.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::spans::JobSpans;
use crate::id::JobId;

/// What evaluations are assumed to take before one has been timed.
const FIRST_MEAN: Duration = Duration::from_millis(100);

/// The jobs that are evaluated in this process. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Running(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    jobs: HashMap<JobId, Entered>,
    /// Mean time of the last evaluations.
    mean: Duration,
}

#[derive(Debug, Default)]
struct Entered {
    cancelled: Arc<AtomicBool>,
    /// The store has given it out again to this process meanwhile, and nobody has taken it.
    claimed_again: bool,
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
    pub(super) spans: JobSpans,
}

impl Run {
    pub(super) fn job(&self) -> JobId {
        self.job
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

impl Run {
    /// Ends it, if the store has not given it out again since this was asked last; the lock makes whoever
    /// claims it either be seen here or find it ended.
    pub(super) fn end_unless_claimed_again(&self) -> bool {
        let mut state = self.among.state();
        match state.jobs.get_mut(&self.job) {
            Some(entered) if entered.claimed_again => {
                entered.claimed_again = false;
                false
            }
            _ => {
                state.jobs.remove(&self.job);
                true
            }
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let mut state = self.among.state();
        // It may have ended before, and run again by now.
        let own = |entered: &Entered| Arc::ptr_eq(&entered.cancelled, &self.cancelled);
        if state.jobs.get(&self.job).is_some_and(own) {
            state.jobs.remove(&self.job);
        }
    }
}

impl Running {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job that was claimed, unless it is among them.
    pub(super) fn add(&self, job: JobId) -> Option<Run> {
        match self.state().jobs.entry(job) {
            Entry::Occupied(mut entry) => {
                entry.get_mut().claimed_again = true;
                None
            }
            Entry::Vacant(entry) => {
                let cancelled = Arc::clone(&entry.insert(Entered::default()).cancelled);
                Some(Run { job, cancelled, among: self.clone(), spans: JobSpans::default() })
            }
        }
    }

    pub(super) fn note(&self, took: Duration) {
        let mut state = self.state();
        state.mean = (state.mean * 7 + took) / 8;
    }

    /// Tells a job to stop at its next instruction.
    pub(super) fn cancel(&self, job: JobId) {
        if let Some(entered) = self.state().jobs.get(&job) {
            entered.cancelled.store(true, Ordering::Relaxed);
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
    fn a_job_that_is_given_back_while_it_is_claimed_is_given_back_again() {
        let (running, job) = (Running::default(), JobId::from_bytes([1; 16]));
        let run = running.add(job).expect("it is the first");
        assert!(running.add(job).is_none());
        assert!(!run.end_unless_claimed_again(), "that claim is nobody's");
        assert!(run.end_unless_claimed_again());
        let again = running.add(job).expect("it can be claimed");
        drop(run);
        assert_eq!(running.jobs(), [job], "it runs");
        drop(again);
        assert_eq!(running.jobs(), []);
    }

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
