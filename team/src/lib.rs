//! Threads that share the work of evaluations, as far as cores are idle: the port
//! [`Team`](ckks_core::Team) for hosts with threads.
//!
//! A [`Pool`] stands for the cores of a machine, each taken by an evaluation or lent to one. An evaluation is a
//! [`Member`] of the pool; whenever it has pieces to share, it is decided anew how many helpers it gets: none that
//! is not idle, and not more than its part among the evaluations that run. With as many evaluations as cores each
//! has one. A helper goes as soon as its piece is done when an evaluation has begun that needs its core.

// what both are made of
mod sync;

// one helper, and what it is called for
mod seat;

// all of them, which the model checker does not see
#[cfg(not(loom))]
mod pool;

#[cfg(not(loom))]
pub use pool::{Member, Pool};
