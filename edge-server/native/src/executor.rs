//! A bounded queue of jobs and the threads that empty it.

use std::{
    collections::VecDeque,
    io,
    num::NonZeroUsize,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use edge_server::{
    JobId,
    port::{Executor, QueueFull},
};

/// How much is evaluated at once, how much may wait.
#[derive(Clone, Copy, Debug)]
pub struct ExecutorSettings {
    /// Threads that evaluate.
    pub threads: NonZeroUsize,
    /// Jobs that may wait.
    pub queue: usize,
}

/// The queue. Clones share it.
#[derive(Clone, Debug)]
pub struct QueueExecutor(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: ExecutorSettings,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<JobId>,
    /// Places that are promised but not yet taken.
    reserved: usize,
    /// Mean time of the last evaluations.
    mean: Duration,
    stopped: bool,
}

/// A promised place.
#[derive(Debug)]
pub struct Place(Arc<Shared>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.state().reserved -= 1;
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, job: JobId) {
        self.state().waiting.push_back(job);
        self.changed.notify_one();
    }

    /// Waits for the next job; `None` when the server stops.
    fn next(&self) -> Option<JobId> {
        let mut state = self.state();
        loop {
            if state.stopped {
                return None;
            }
            if let Some(job) = state.waiting.pop_front() {
                return Some(job);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn note(&self, took: Duration) {
        let mut state = self.state();
        state.mean = (state.mean * 7 + took) / 8;
    }
}

impl QueueExecutor {
    /// Makes an empty queue; nothing empties it before [`Self::start`].
    #[must_use]
    pub fn new(settings: ExecutorSettings) -> Self {
        let state =
            State { waiting: VecDeque::new(), reserved: 0, mean: Duration::from_millis(100), stopped: false };
        Self(Arc::new(Shared { settings, state: Mutex::new(state), changed: Condvar::new() }))
    }

    /// Starts the threads; each calls `run` for one job after the other.
    ///
    /// # Errors
    /// When the operating system gives no threads.
    pub fn start(&self, run: impl Fn(JobId) + Send + Sync + 'static) -> io::Result<Workers> {
        let run = Arc::new(run);
        let mut workers = Workers { executor: self.clone(), threads: Vec::new() };
        for index in 0..self.0.settings.threads.get() {
            let (shared, run) = (Arc::clone(&self.0), Arc::clone(&run));
            let thread = thread::Builder::new().name(format!("evaluate-{index}")).spawn(move || {
                while let Some(job) = shared.next() {
                    let started = Instant::now();
                    run(job);
                    shared.note(started.elapsed());
                }
            })?;
            workers.threads.push(thread);
        }
        Ok(workers)
    }
}

/// The threads that evaluate. Dropping it lets every one finish its job; those that wait stay in
/// the store for the next start.
#[derive(Debug)]
pub struct Workers {
    executor: QueueExecutor,
    threads: Vec<JoinHandle<()>>,
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.executor.0.state().stopped = true;
        self.executor.0.changed.notify_all();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("an evaluation thread panicked");
            }
        }
    }
}

impl Executor for QueueExecutor {
    type Place = Place;

    fn reserve(&self) -> Result<Place, QueueFull> {
        let mut state = self.0.state();
        let ahead = state.waiting.len() + state.reserved;
        if ahead >= self.0.settings.queue {
            let turns = ahead / self.0.settings.threads.get() + 1;
            return Err(QueueFull { retry_after: state.mean * u32::try_from(turns).unwrap_or(u32::MAX) });
        }
        state.reserved += 1;
        Ok(Place(Arc::clone(&self.0)))
    }

    fn enqueue(&self, place: Place, job: JobId) {
        self.0.push(job);
        drop(place);
    }

    fn resume(&self, job: JobId) {
        self.0.push(job);
    }

    async fn offload<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        match tokio::task::spawn_blocking(work).await {
            Ok(value) => value,
            // The computation panicked; so does whoever asked for it.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn executor(queue: usize) -> QueueExecutor {
        QueueExecutor::new(ExecutorSettings { threads: NonZeroUsize::MIN, queue })
    }

    fn job(number: u8) -> JobId {
        JobId::from_bytes([number; 16])
    }

    #[test]
    fn the_queue_is_bounded_and_places_come_back() {
        let executor = executor(2);
        let (first, second) = (executor.reserve().expect("free"), executor.reserve().expect("free"));
        assert!(executor.reserve().expect_err("full").retry_after > Duration::ZERO);
        drop(first);
        executor.enqueue(second, job(1));
        let third = executor.reserve().expect("one waits, one is free");
        assert!(executor.reserve().is_err());
        executor.enqueue(third, job(2));
        assert!(executor.reserve().is_err());
        executor.resume(job(3));
    }

    #[test]
    fn jobs_run_in_order_and_stop_with_the_workers() {
        let executor = executor(8);
        for number in 0..3 {
            executor.resume(job(number));
        }
        let (sender, receiver) = mpsc::channel();
        let workers = executor.start(move |job| sender.send(job).expect("received")).expect("threads");
        let ran: Vec<JobId> = receiver.iter().take(3).collect();
        assert_eq!(ran, [job(0), job(1), job(2)]);
        drop(workers);
        assert!(receiver.recv().is_err());
    }
}
