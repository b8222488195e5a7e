//! Compiles ONNX models to encrypted model packages.
//!
//! One pass, one file, in this order: `preprocess`, `import`, `compose`, `fuse`, `calibrate`, `approximate`, `amplify`, `normalise`, `choose`, `place`,
//! `lower`, `assemble`, `verify`. Never linked into a server or a client.

// what can be refused
mod error;

// the model as it is written, and as vectors
mod function;
mod graph;
mod import;
mod onnx;
mod preprocess;
mod sparse;

// samples, and the model in plain numbers
mod reference;
mod runtime;
mod samples;

// passes over the graph
mod amplify;
mod approximate;
mod calibrate;
mod compose;
mod fit;
mod fuse;
mod normalise;

// from vectors to slots
mod arrange;
mod choose;
mod layers;
mod lower;
mod noise;
mod pack;
mod place;

// all passes in a row, and what came of it
mod assemble;
mod attempts;
mod candidate;
mod compile;
mod picture;
#[cfg(test)]
mod random;
mod ranking;
mod report;
mod verify;

pub use candidate::Candidate;
pub use compile::{Compiled, Identity, Objective, Options, compile};
pub use error::CompileError;
pub use function::{Expression, Function};
pub use graph::{Affine, Graph, Operation, Value};
pub use import::{OPERATORS, Support, import, operator_table};
pub use layers::Layer;
pub use picture::picture;
pub use preprocess::Preprocessing;
pub use ranking::Ranking;
pub use reference::evaluate;
pub use report::{Accuracy, Flip, Parameters, Precision, Replaced, Report, Sizes};
pub use runtime::{Agreement, Runtime, largest_difference};
pub use samples::{Samples, read_labels, read_samples};
pub use sparse::SparseMatrix;
pub use verify::verify;
