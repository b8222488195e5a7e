//! `model-compiler`: ONNX in, encrypted model package out.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
