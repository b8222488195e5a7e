//! `cargo xtask bench`: measures, and rewrites the tables in the README.

use crate::arguments::Arguments;
use crate::error::TaskError;
use crate::process;
use crate::progress::Progress;
use crate::verbs::wasm;
use crate::workspace::Workspace;

/// Builds the client for WebAssembly, which the benchmarks run in Node too, then hands every argument on.
pub(crate) fn run(workspace: &Workspace, arguments: Arguments) -> Result<(), TaskError> {
    let mut progress = Progress::new(wasm::CLIENT_STEPS + 1);
    wasm::build_client(workspace, &mut progress)?;
    progress.step("Measure, and rewrite the tables of README.md", || {
        process::run(
            workspace
                .cargo()
                .args(["run", "--release", "--package", "layer-benches", "--"])
                .args(arguments.rest()),
        )
    })
}
