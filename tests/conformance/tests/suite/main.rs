//! The suite passes on the native server, and fails on every server that breaks one rule.

#![allow(clippy::unwrap_used, missing_docs)]

mod breaks;
mod broken;
mod coverage;
mod documents;
mod native;
mod proxy;
mod worker;
mod world;
