//! What the service needs from the machine it runs on, except storage: time, randomness and a
//! place to compute. Hosts implement these and contain no rules.
//!
//! Futures are `Send` where threads exist and need not be on a single-threaded WebAssembly host:
//! [`MaybeSend`] is the bound that says so.

use std::{future::Future, time::Duration};

use crate::{id::JobId, store::Store};

#[cfg(not(target_family = "wasm"))]
mod bounds {
    /// `Send` where threads exist, nothing on WebAssembly.
    pub trait MaybeSend: Send {}
    impl<T: Send + ?Sized> MaybeSend for T {}

    /// `Sync` where threads exist, nothing on WebAssembly.
    pub trait MaybeSync: Sync {}
    impl<T: Sync + ?Sized> MaybeSync for T {}
}

#[cfg(target_family = "wasm")]
mod bounds {
    /// `Send` where threads exist, nothing on WebAssembly.
    pub trait MaybeSend {}
    impl<T: ?Sized> MaybeSend for T {}

    /// `Sync` where threads exist, nothing on WebAssembly.
    pub trait MaybeSync {}
    impl<T: ?Sized> MaybeSync for T {}
}

pub use bounds::{MaybeSend, MaybeSync};

/// Milliseconds since 1970, as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub u64);

/// Time.
pub trait Clock: MaybeSend + MaybeSync {
    /// The time of day.
    fn now(&self) -> Timestamp;

    /// Time that never goes back, from an arbitrary start; for measuring.
    fn elapsed(&self) -> Duration;

    /// Completes after `duration`.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + MaybeSend;
}

/// Unpredictable bytes.
pub trait Entropy: MaybeSend + MaybeSync {
    /// Fills the buffer.
    fn fill(&self, bytes: &mut [u8]);
}

/// Too many jobs are waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFull {
    /// When a place is likely to be free.
    pub retry_after: Duration,
}

/// Where jobs are evaluated: a bounded queue, and whatever empties it by calling
/// [`Service::run_job`](crate::Service::run_job) away from the threads that serve requests.
pub trait Executor: MaybeSend + MaybeSync {
    /// A reserved place in the queue; dropping it frees the place.
    type Place: MaybeSend;

    /// Reserves a place, before the job is stored.
    ///
    /// # Errors
    /// [`QueueFull`] when the bound is reached.
    fn reserve(&self) -> Result<Self::Place, QueueFull>;

    /// Queues a stored job in the reserved place.
    fn enqueue(&self, place: Self::Place, job: JobId);

    /// Queues a job that was accepted before a restart. It had its place then, so the bound does
    /// not apply.
    fn resume(&self, job: JobId);

    /// Runs a short computation away from the threads that serve requests, where there are others.
    fn offload<T: MaybeSend + 'static>(
        &self,
        work: impl FnOnce() -> T + MaybeSend + 'static,
    ) -> impl Future<Output = T> + MaybeSend;
}

/// All ports of one host.
pub trait Host: MaybeSend + MaybeSync + 'static {
    /// Where jobs, keys and results are kept.
    type Store: Store;
    /// Time.
    type Clock: Clock;
    /// Where jobs are evaluated.
    type Executor: Executor;
    /// Randomness.
    type Entropy: Entropy;

    /// The store.
    fn store(&self) -> &Self::Store;
    /// The clock.
    fn clock(&self) -> &Self::Clock;
    /// The executor.
    fn executor(&self) -> &Self::Executor;
    /// The source of randomness.
    fn entropy(&self) -> &Self::Entropy;
}
