//! Checks any server against the numbered sentences of `docs/api.md`.
//!
//! Every case carries the number of the sentence that it tests. It knows a server by its address only:
//! positive cases use a CKKS client of their own with real keys, negative ones change one thing of a right
//! request and expect one exact problem.

// what is demanded: the document
pub mod sentence;

// how to ask
mod answer;
mod request;
mod sample;

// what a case may use, and what it is
mod target;

mod case;

// the cases, by chapter of the document
mod cases;

// what came out, for people and machines
pub mod report;

mod suite;

pub use case::{Case, Feature, Outcome, Verdict};
pub use suite::{Options, Run, cases, run};
