//! The service through its one door, `Service::handle`, on a host without a machine. Every
//! response is checked against the published contract.
#![allow(clippy::unwrap_used, missing_docs)]

mod api;

mod admin;
mod contract;
mod discovery;
mod faults;
mod flow;
mod holding;
mod isolation;
mod jobs;
mod key_sets;
mod limits;
mod put_off;
mod registry;
mod tenants;
mod traces;
