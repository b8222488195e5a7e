//! `cargo xtask bench`: measures, and rewrites the tables of documents.

mod core;
mod layers;
mod page;
mod peers;
mod table;
mod worker;

use std::path::PathBuf;

use serde_json::Value;

use crate::arguments::Arguments;
use crate::browser::CHROMIUM;
use crate::error::TaskError;
use crate::progress::Progress;
use crate::verbs::{endurance, instructions, wasm};
use crate::workspace::Workspace;
use crate::{document, node, process, rust, server};

const PACKAGE: &str = "layer-benches";
const E2E: &str = "tests/e2e";

/// Measures the shipped models natively, in WebAssembly and over HTTP, and rewrites the table of the README;
/// with `core`, `layers`, `page`, `peers` and `worker`, see [`core`], [`layers`], [`page`], [`peers`] and [`worker`];
/// with `instructions`, rewrites the counts that [`instructions`] compares with; with `all`, does everything that has a
/// place in a document.
pub(crate) fn run(workspace: &Workspace, mut arguments: Arguments) -> Result<(), TaskError> {
    let names = arguments.names();
    arguments.finish()?;
    match names.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => models(workspace),
        ["core"] => core::run(workspace),
        ["page"] => page::run(workspace),
        ["layers"] => layers::run(workspace),
        ["peers"] => peers::run(workspace),
        ["worker"] => worker::run(workspace),
        ["instructions"] => instructions::rewrite(workspace),
        ["all"] => all(workspace),
        _ => Err(TaskError::UnknownArgument { argument: names.join(" ") }),
    }
}

fn models(workspace: &Workspace) -> Result<(), TaskError> {
    let chromium = CHROMIUM.require()?;
    let mut progress = Progress::new(wasm::STEPS + 5);
    // With the page: the server of the tests serves it.
    wasm::build(workspace, &mut progress)?;
    progress.step("Build the server", || server::build(workspace))?;
    let native = progress.step("Measure natively", || natively(workspace, &["models"]))?;
    let webassembly = progress.step("Measure in WebAssembly", || in_webassembly(workspace, &["models"]))?;
    let round_trips = progress.step("Measure predictions over HTTP", || {
        node::install(workspace, E2E)?;
        let mut script = node::script(&workspace.path(E2E), "bench");
        script.env("EDGE_SERVER", server::program(workspace)).env(CHROMIUM.variable, chromium);
        lines(&process::capture(&mut script)?)
    })?;
    progress.step("Rewrite the table of README.md", || {
        let table = table::render(&native, &webassembly, &round_trips);
        print!("\n{table}\n");
        document::rewrite(&workspace.path("README.md"), "bench", &table)
    })
}

/// Everything that a part of a document is written from, one after the other.
fn all(workspace: &Workspace) -> Result<(), TaskError> {
    models(workspace)?;
    core::run(workspace)?;
    layers::run(workspace)?;
    page::run(workspace)?;
    peers::run(workspace)?;
    worker::run(workspace)?;
    endurance::measure_load(workspace)
}

/// One part of the benches.
fn natively(workspace: &Workspace, part: &[&str]) -> Result<Vec<Value>, TaskError> {
    let program = ["run", "--quiet", "--release", "--package", PACKAGE, "--"];
    lines(&process::capture(workspace.cargo().args(program).args(part))?)
}

/// The same in Node, with the lanes that browsers use.
fn in_webassembly(workspace: &Workspace, part: &[&str]) -> Result<Vec<Value>, TaskError> {
    build_for_webassembly(workspace)?;
    let mut node = node::node(&workspace.path(""));
    lines(&process::capture(
        node.args(["--no-warnings", "xtask/npm/run-wasi.mjs"]).arg(module(workspace)).args(part),
    )?)
}

fn build_for_webassembly(workspace: &Workspace) -> Result<(), TaskError> {
    rust::require_target(workspace, rust::WASI)?;
    process::run(rust::with_simd(&mut workspace.cargo()).args([
        "build",
        "--quiet",
        "--release",
        "--target",
        rust::WASI,
        "--package",
        PACKAGE,
    ]))
}

/// What [`build_for_webassembly`] makes.
fn module(workspace: &Workspace) -> PathBuf {
    workspace.target(rust::WASI).join("release").join(format!("{PACKAGE}.wasm"))
}

/// One measurement for each line.
fn lines(text: &str) -> Result<Vec<Value>, TaskError> {
    let read =
        |line: &str| serde_json::from_str(line).map_err(|_| TaskError::Measurement { line: line.to_owned() });
    text.lines().map(read).collect()
}
