//! Who shares the work of an evaluation: the port to a host's threads. Knows neither them nor the work.

use core::fmt;

/// Who shares the work of one evaluation, for as long as it lives: whoever evaluates, and threads of the host
/// that have nothing else to do.
pub trait Team: fmt::Debug + Send + Sync {
    /// Calls `step` until it says that nothing is left to begin: on this thread and, at the same time, on at
    /// most `others` further ones. Returns when no call is running any more.
    ///
    /// # Panics
    /// When a call panics, on whichever thread; not before the other threads have left.
    fn share(&self, others: usize, step: &(dyn Fn() -> bool + Sync));
}

/// A team of one: everything is done on the thread that evaluates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alone;

impl Team for Alone {
    fn share(&self, _: usize, step: &(dyn Fn() -> bool + Sync)) {
        while step() {}
    }
}
