//! The encrypted model package: manifest, weights, program.
//!
//! What the compiler writes and the server reads, and all that the two have in common. Reads and
//! writes bytes; knows no files and no network.

// the manifest as JSON
mod manifest;

// what can be wrong with a package
mod error;

// from a manifest to a program and back
mod instructions;
mod package;
mod weights;
mod writing;

// what a package takes, for people
mod summary;

pub use error::PackageError;
pub use manifest::{
    BatchConstraints, ConstantEntry, DiagonalEntry, EvaluationKeyRequirements, FORMAT, GaloisRequirement,
    Input, InstructionEntry, Layout, LayoutAxisEntry, Manifest, Output, Parameters, PolynomialEntry,
    RelinearizationRequirement, TransformEntry, WeightsEntry, scaled,
};
pub use package::Package;
pub use summary::{KeySummary, Summary};
pub use writing::{Description, write};
