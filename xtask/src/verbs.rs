//! The verbs, one file each.

pub(crate) mod help;

pub(crate) mod instructions;
pub(crate) mod wasm;

pub(crate) mod bench;
pub(crate) mod conformance;
pub(crate) mod demo;
pub(crate) mod endurance;
pub(crate) mod fuzz;
pub(crate) mod models;
pub(crate) mod packaging;
pub(crate) mod standalone;
pub(crate) mod test;
pub(crate) mod vectors;
pub(crate) mod worker;
