//! What the service needs from the machine it runs on, except storage: time, randomness and a
//! place to compute. Hosts implement these and contain no rules.
//!
//! Futures are `Send` where threads exist and need not be on a single-threaded WebAssembly host:
//! [`MaybeSend`] is the bound that says so.

use std::{future::Future, sync::Arc, time::Duration};

use ckks_core::{Alone, Team};

use crate::{store::Store, trace::Span};

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

impl Timestamp {
    /// The time `duration` later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(milliseconds(duration)))
    }

    /// The time `duration` earlier.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(milliseconds(duration)))
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

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

/// Where jobs are evaluated: whatever calls [`Service::run_next`](crate::Service::run_next) away
/// from the threads that serve requests. The queue itself is in the store.
pub trait Executor: MaybeSend + MaybeSync {
    /// Says that a job waits in the store.
    fn wake(&self);

    /// How many jobs are evaluated at once.
    fn parallelism(&self) -> usize;

    /// Begins an evaluation: whoever shares its work, as long as this is kept.
    fn team(&self) -> Arc<dyn Team> {
        Arc::new(Alone)
    }

    /// How many cores evaluations take at this moment, where that is known.
    fn busy_cores(&self) -> Option<usize> {
        None
    }

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

    /// Takes a span to wherever spans are looked at. Never waits: what cannot be taken is lost.
    fn export(&self, _span: Span) {}

    /// The memory that the process takes, in bytes, where that is known.
    fn resident_bytes(&self) -> Option<u64> {
        None
    }
}
