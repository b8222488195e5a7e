//! What threads meet at: the standard library's, or that of the model checker when it is compiled for it
//! (`--cfg loom`).

#[cfg(not(loom))]
pub(crate) use std::{
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU8, AtomicU64},
    },
    thread::{self, Thread},
};

#[cfg(loom)]
pub(crate) use loom::{
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU8, AtomicU64},
    },
    thread::{self, Thread},
};
