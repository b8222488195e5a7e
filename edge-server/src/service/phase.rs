//! How far a service is on its way to stop.

use std::sync::atomic::{AtomicU8, Ordering};

/// How far it is; it goes one way.
#[derive(Debug, Default)]
pub(super) struct Phase(AtomicU8);

/// What begins on that way, one after the other.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(super) enum Step {
    /// It says that it is not ready.
    Draining = 1,
    /// No further job is started.
    Ceasing = 2,
    /// Jobs that run are given back, and what the store does not take is not offered again.
    Halting = 3,
}

impl Phase {
    pub(super) fn enter(&self, step: Step) {
        self.0.fetch_max(step as u8, Ordering::Relaxed);
    }

    pub(super) fn has_come_to(&self, step: Step) -> bool {
        self.0.load(Ordering::Relaxed) >= step as u8
    }
}
