//! `cargo xtask demo`: from a fresh clone to a page in the browser.

use std::path::PathBuf;

use crate::arguments::Arguments;
use crate::error::TaskError;
use crate::progress::Progress;
use crate::server;
use crate::verbs::wasm;
use crate::workspace::Workspace;

/// Builds everything, serves it, and stays until Ctrl-C.
pub(crate) fn run(workspace: &Workspace, mut arguments: Arguments) -> Result<(), TaskError> {
    let wanted = wanted_port(&mut arguments)?;
    let data = arguments.value("--data", "a directory")?.map(PathBuf::from);
    arguments.finish()?;
    let data = data.unwrap_or_else(|| workspace.target("demo"));
    // Looked at before the long build, so that nobody waits for a port that is taken.
    let port = server::free_port(wanted)?;

    let mut progress = Progress::new(wasm::STEPS + 2);
    wasm::build(workspace, &mut progress)?;
    progress.step("Build the server", || server::build(workspace))?;
    let page = workspace.path("dist/www");
    let server = progress.step("Start the server", || server::start(workspace, port, &data, Some(&page)))?;

    println!("\n  Open http://localhost:{port}/");
    println!("  Keys, jobs and results are kept in {}.", data.display());
    println!("  Ctrl-C stops the server.\n");
    server.wait()
}

fn wanted_port(arguments: &mut Arguments) -> Result<Option<u16>, TaskError> {
    const EXPECTED: &str = "a port number from 1 to 65535";
    let Some(text) = arguments.value("--port", EXPECTED)? else {
        return Ok(None);
    };
    match text.parse() {
        Ok(port) if port > 0 => Ok(Some(port)),
        _ => Err(TaskError::BadValue { option: "--port", expected: EXPECTED }),
    }
}
