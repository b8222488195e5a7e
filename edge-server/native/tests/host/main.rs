//! The native host through its sockets.
#![allow(clippy::unwrap_used, missing_docs)]

mod start;

mod config;
mod output;
mod put_off;
#[cfg(feature = "traces")]
mod traces;
mod transport;
