//! A host without a machine: time stands still, and jobs run when the test says so.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::{
    id::JobId,
    memory::MemoryStore,
    port::{Clock, Entropy, Executor, Host, QueueFull, Timestamp},
};

/// A host for tests.
#[derive(Debug)]
pub struct TestHost {
    store: MemoryStore,
    clock: TestClock,
    executor: TestExecutor,
    entropy: Counter,
}

impl TestHost {
    /// Makes a host whose queue holds so many jobs.
    #[must_use]
    pub fn new(queue: usize) -> Self {
        Self {
            store: MemoryStore::new(),
            clock: TestClock::default(),
            executor: TestExecutor { free: AtomicUsize::new(queue), waiting: Mutex::default() },
            entropy: Counter::default(),
        }
    }
}

impl Host for TestHost {
    type Store = MemoryStore;
    type Clock = TestClock;
    type Executor = TestExecutor;
    type Entropy = Counter;

    fn store(&self) -> &MemoryStore {
        &self.store
    }

    fn clock(&self) -> &TestClock {
        &self.clock
    }

    fn executor(&self) -> &TestExecutor {
        &self.executor
    }

    fn entropy(&self) -> &Counter {
        &self.entropy
    }
}

/// Time that stands still; sleeping ends at once or never.
#[derive(Debug, Default)]
pub struct TestClock {
    impatient: AtomicBool,
}

impl TestClock {
    /// Makes every sleep end at once, or never.
    pub fn set_impatient(&self, impatient: bool) {
        self.impatient.store(impatient, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _: Duration) {
        if !self.impatient.load(Ordering::Relaxed) {
            std::future::pending().await
        }
    }
}

/// A queue that the test empties.
#[derive(Debug)]
pub struct TestExecutor {
    free: AtomicUsize,
    waiting: Mutex<VecDeque<JobId>>,
}

impl TestExecutor {
    /// Takes the job that has waited longest.
    pub fn next(&self) -> Option<JobId> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

impl Executor for TestExecutor {
    type Place = ();

    fn reserve(&self) -> Result<(), QueueFull> {
        let take = |free: usize| free.checked_sub(1);
        self.free
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .map(drop)
            .map_err(|_| QueueFull { retry_after: Duration::from_millis(2500) })
    }

    fn enqueue(&self, (): (), job: JobId) {
        self.resume(job);
    }

    fn resume(&self, job: JobId) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back(job);
    }

    async fn offload<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        work()
    }
}

/// Identifiers that differ, and nothing more.
#[derive(Debug, Default)]
pub struct Counter(AtomicU8);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0.fetch_add(1, Ordering::Relaxed));
    }
}
