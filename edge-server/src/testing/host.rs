//! A host without a machine: time stands still, and jobs run when the test says so.

use std::{
    mem,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::FaultyStore;
use crate::{
    memory::MemoryStore,
    port::{Clock, Entropy, Executor, Host, Timestamp},
    trace::Span,
};

/// A host for tests.
#[derive(Debug, Default)]
pub struct TestHost {
    store: FaultyStore<MemoryStore>,
    clock: TestClock,
    executor: TestExecutor,
    entropy: Counter,
    spans: Mutex<Vec<Span>>,
}

impl TestHost {
    /// Makes a host with a store of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was exported since this was asked last.
    pub fn take_spans(&self) -> Vec<Span> {
        mem::take(&mut *self.spans.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Host for TestHost {
    type Store = FaultyStore<MemoryStore>;
    type Clock = TestClock;
    type Executor = TestExecutor;
    type Entropy = Counter;

    fn store(&self) -> &FaultyStore<MemoryStore> {
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

    fn export(&self, span: Span) {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).push(span);
    }
}

/// Time that stands still unless it is moved; sleeping ends at once or never.
#[derive(Debug, Default)]
pub struct TestClock {
    impatient: AtomicBool,
    wall: AtomicU64,
    elapsed: AtomicU64,
}

impl TestClock {
    /// Makes every sleep end at once, or never.
    pub fn set_impatient(&self, impatient: bool) {
        self.impatient.store(impatient, Ordering::Relaxed);
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        self.jump(time);
        self.elapsed.fetch_add(milliseconds(time), Ordering::Relaxed);
    }

    /// Moves the time of day alone, as somebody who sets a clock does.
    pub fn jump(&self, time: Duration) {
        self.wall.fetch_add(milliseconds(time), Ordering::Relaxed);
    }

    /// The same in the other direction, to 1970 at most.
    pub fn jump_back(&self, time: Duration) {
        let back = |wall: u64| Some(wall.saturating_sub(milliseconds(time)));
        let _ = self.wall.fetch_update(Ordering::Relaxed, Ordering::Relaxed, back);
    }
}

fn milliseconds(time: Duration) -> u64 {
    time.as_millis() as u64
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.wall.load(Ordering::Relaxed))
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.elapsed.load(Ordering::Relaxed))
    }

    async fn sleep(&self, _: Duration) {
        if !self.impatient.load(Ordering::Relaxed) {
            std::future::pending().await
        }
    }
}

/// Runs nothing by itself; counts how often it was woken.
#[derive(Debug, Default)]
pub struct TestExecutor {
    woken: AtomicUsize,
}

impl TestExecutor {
    /// How often it was told that a job waits.
    pub fn woken(&self) -> usize {
        self.woken.load(Ordering::Relaxed)
    }
}

impl Executor for TestExecutor {
    fn wake(&self) {
        self.woken.fetch_add(1, Ordering::Relaxed);
    }

    fn parallelism(&self) -> usize {
        2
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
