//! The service through its one door, `Service::handle`, on a host without a machine. Every
//! response is checked against the published contract.
#![allow(clippy::unwrap_used, missing_docs)]

mod api;

mod contract;
mod discovery;
mod flow;
mod jobs;
mod key_sets;
mod registry;
mod tenants;
