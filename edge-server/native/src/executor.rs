//! The threads that evaluate. What waits is in the store; here is only who asks for it, and with how many cores.

use std::{
    io,
    num::NonZeroUsize,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use ckks_core::Team;
use edge_server::port::Executor;
use evaluation_team::Pool;

/// How long a thread sleeps before it looks for jobs unasked: those whose lease has run out, and those
/// that another process has stored.
const IDLE: Duration = Duration::from_secs(1);

/// What a thread found when it asked for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// A job, which is over now; there may be more.
    Ran,
    /// No job, or no answer: time to sleep. If a job only waits for its time, it may be taken when this is over.
    Idle(Option<Duration>),
}

/// A set of threads that evaluate, one job each, and of others that share the work of a job while cores are idle.
/// Clones share it.
#[derive(Clone, Debug)]
pub struct Threads {
    shared: Arc<Shared>,
    pool: Pool,
}

#[derive(Debug)]
struct Shared {
    count: NonZeroUsize,
    /// Most threads of one job.
    for_a_job: NonZeroUsize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Threads that were told of a job and have not looked yet.
    signals: usize,
    stopped: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps until there may be a job, at most for this time; `false` when the server stops.
    fn sleep(&self, most: Duration) -> bool {
        let awake = |state: &mut State| state.signals == 0 && !state.stopped;
        let (mut state, _) = self
            .changed
            .wait_timeout_while(self.state(), most.min(IDLE), awake)
            .unwrap_or_else(PoisonError::into_inner);
        state.signals = state.signals.saturating_sub(1);
        !state.stopped
    }

    fn is_stopped(&self) -> bool {
        self.state().stopped
    }
}

impl Threads {
    /// Says how many jobs there will be at once, and how many threads at most work on one of them. No job runs
    /// before [`Self::start`].
    ///
    /// # Errors
    /// When the operating system gives no threads.
    pub fn new(count: NonZeroUsize, for_a_job: NonZeroUsize) -> io::Result<Self> {
        let pool = Pool::new(count)?;
        let shared = Shared { count, for_a_job, state: Mutex::default(), changed: Condvar::new() };
        Ok(Self { shared: Arc::new(shared), pool })
    }

    /// Starts the threads; each calls `run` as long as there are jobs.
    ///
    /// # Errors
    /// When the operating system gives no threads.
    pub fn start(&self, run: impl Fn() -> Turn + Send + Sync + 'static) -> io::Result<Workers> {
        let run = Arc::new(run);
        let mut workers = Workers { shared: Arc::clone(&self.shared), threads: Vec::new() };
        for index in 0..self.shared.count.get() {
            let (shared, run) = (Arc::clone(&self.shared), Arc::clone(&run));
            let thread = thread::Builder::new().name(format!("evaluate-{index}")).spawn(move || {
                let mut time = IDLE;
                while shared.sleep(time) {
                    time = IDLE;
                    while !shared.is_stopped() {
                        if let Turn::Idle(until) = run() {
                            time = until.unwrap_or(IDLE);
                            break;
                        }
                    }
                }
            })?;
            workers.threads.push(thread);
        }
        Ok(workers)
    }
}

/// The running threads. Dropping it lets every one finish its job; those that wait stay in the store.
#[derive(Debug)]
pub struct Workers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.state().stopped = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("an evaluation thread panicked");
            }
        }
    }
}

impl Executor for Threads {
    fn wake(&self) {
        let mut state = self.shared.state();
        state.signals = (state.signals + 1).min(self.shared.count.get());
        drop(state);
        self.shared.changed.notify_one();
    }

    fn parallelism(&self) -> usize {
        self.shared.count.get()
    }

    fn team(&self) -> Arc<dyn Team> {
        Arc::new(self.pool.join(self.shared.for_a_job))
    }

    fn busy_cores(&self) -> Option<usize> {
        Some(self.pool.busy())
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
    use std::{
        sync::{atomic::AtomicUsize, atomic::Ordering, mpsc},
        time::Instant,
    };

    use super::*;

    #[test]
    fn a_thread_that_is_woken_runs_all_there_is() {
        let threads = Threads::new(NonZeroUsize::MIN, NonZeroUsize::MIN).expect("threads");
        let jobs = AtomicUsize::new(3);
        let (sender, receiver) = mpsc::channel();
        let workers = threads.start(move || {
            let take = |left: usize| left.checked_sub(1);
            let taken = jobs.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok();
            sender.send(taken).expect("received");
            if taken { Turn::Ran } else { Turn::Idle(None) }
        });
        threads.wake();
        let ran: Vec<bool> = receiver.iter().take(4).collect();
        assert_eq!(ran, [true, true, true, false]);
        drop(workers.expect("threads"));
    }

    #[test]
    fn a_thread_sleeps_no_longer_than_until_a_job_may_be_taken() {
        let threads = Threads::new(NonZeroUsize::MIN, NonZeroUsize::MIN).expect("threads");
        let (sender, receiver) = mpsc::channel();
        let workers = threads.start(move || {
            sender.send(Instant::now()).expect("received");
            Turn::Idle(Some(Duration::from_millis(20)))
        });
        threads.wake();
        let looked: Vec<Instant> = receiver.iter().take(11).collect();
        let took = looked[10] - looked[0];
        assert!(took >= Duration::from_millis(200) && took < 5 * IDLE, "{took:?}");
        // It may be looking.
        drop((workers.expect("threads"), receiver));
    }

    #[test]
    fn stopping_waits_for_the_job_that_runs_and_no_further_one() {
        let threads = Threads::new(NonZeroUsize::MIN, NonZeroUsize::MIN).expect("threads");
        let (started, has_started) = mpsc::channel();
        let ended = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&ended);
        let workers = threads.start(move || {
            started.send(()).expect("received");
            thread::sleep(Duration::from_millis(100));
            counted.fetch_add(1, Ordering::Relaxed);
            Turn::Ran
        });
        threads.wake();
        has_started.recv().expect("it runs");
        drop(workers.expect("threads"));
        assert!(ended.load(Ordering::Relaxed) >= 1);
        assert_eq!(has_started.try_iter().count() + 1, ended.load(Ordering::Relaxed));
    }
}
