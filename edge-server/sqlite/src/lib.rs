//! The tables of a store in SQLite, and every statement on them, for whatever connection a host has.
//!
//! The native server reaches SQLite through a library, a Durable Object through its storage; what
//! they do with it is here, once. Opening, durability and threads are the hosts'. Every function that
//! changes something is to run as one transaction.

// what a connection is, what tables there are, how much a step does
mod database;
mod room;
mod schema;

// rows
mod idempotency;
mod jobs;
mod keys;
mod staged;
mod tokens;

// what a store does in one step
mod steps;

pub use database::{Database, Field, Result, Row, Value, timestamp};
pub use idempotency::recall;
pub use jobs::{
    claim as claim_job, delete as delete_job, finish as finish_job, give_back, queue, read as job,
    release as release_jobs, renew as renew_leases, start_again,
};
pub use keys::{KeyFile, judge as judge_key, read as key, read_set as key_set, usage};
pub use schema::{MIGRATIONS, VERSION};
pub use staged::{STAGED_BYTES, stage as stage_key, staged as staged_key, unstaged as unstaged_keys};
pub use steps::{SweepStep, delete_key_set, insert_job, insert_key_set, put_key, sweep_step};
pub use tokens::{delete as delete_token, find as token, insert as insert_token, list as tokens};
