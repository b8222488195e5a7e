//! Compiles ONNX models to encrypted model packages.
//!
//! One pass, one file, in this order: `import`, `fuse`, `calibrate`, `approximate`, `pack`, `choose`,
//! `lower`, then `verify` and `report`. Never linked into a server or a client.

// what can be refused
mod error;

// the model as it is written, and as vectors
mod onnx;
mod graph;
mod import;

// samples, and the model in plain numbers
mod samples;
mod reference;

// passes over the graph
mod fuse;
mod calibrate;
mod approximate;

// from vectors to slots
mod pack;
mod choose;
mod lower;

// all passes in a row, and what came of it
mod compile;
mod verify;
mod report;

pub use compile::{Compiled, Options, compile};
pub use error::CompileError;
pub use graph::{Affine, Function, Graph, Matrix, Operation, Postprocessing, Value};
pub use import::import;
pub use reference::evaluate;
pub use report::{Accuracy, Flip, Report};
pub use samples::{Samples, read_samples};
pub use verify::verify;
