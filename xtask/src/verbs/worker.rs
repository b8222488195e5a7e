//! `cargo xtask worker`: the service for Cloudflare Workers, built and served on this machine.
//!
//! `edge-server/worker` → `edge-server/worker/dist/script` (module, bindings, what the runtime loads) and
//! `edge-server/worker/dist/page` (the page, with the headers of its files).

use std::fs;
use std::path::{Path, PathBuf};

use crate::arguments::Arguments;
use crate::error::TaskError;
use crate::progress::{Progress, note};
use crate::server;
use crate::stamp::Stamp;
use crate::verbs::wasm;
use crate::workspace::Workspace;
use crate::{node, process};

const FOLDER: &str = "edge-server/worker";
const CRATE: &str = "edge-server-worker";
const SCRIPT: &str = "edge_server_worker.js";
const MODULE: &str = "edge_server_worker_bg.wasm";

/// Builds everything, serves it in workerd, and stays until Ctrl-C; with `--build`, only builds.
pub(crate) fn run(workspace: &Workspace, mut arguments: Arguments) -> Result<(), TaskError> {
    const PORT: &str = "a port number";
    let port = arguments.value("--port", PORT)?.map(|text| text.parse()).transpose();
    let port = port.map_err(|_| TaskError::BadValue { option: "--port", expected: PORT })?;
    let mut words = Vec::new();
    for option in ["--packages", "--data"] {
        if let Some(path) = arguments.value(option, "a directory")? {
            // The program that reads it is started elsewhere.
            let path = std::path::absolute(&path)
                .map_err(|source| TaskError::File { path: PathBuf::from(path), source })?;
            words.extend([option.to_owned(), path.display().to_string()]);
        }
    }
    let mut is_set = false;
    while let Some(setting) = arguments.value("--set", "NAME=VALUE")? {
        is_set = true;
        words.extend(["--set".to_owned(), setting]);
    }
    if !is_set {
        words.extend(["--set".to_owned(), "OPEN=true".to_owned()]);
    }
    let only_build = arguments.flag("--build");
    arguments.finish()?;

    let mut progress = Progress::new(wasm::STEPS + if only_build { 1 } else { 2 });
    wasm::build(workspace, &mut progress)?;
    progress.step("Build the Worker: edge-server/worker/dist", || build(workspace))?;
    if only_build {
        return Ok(());
    }
    let port = server::free_port(port)?;
    progress.step("Serve it in workerd", || {
        println!("\n  Open http://localhost:{port}/");
        println!("  Ctrl-C stops the server.\n");
        let mut command = node::node(&folder(workspace));
        process::run(command.args(["local/serve.mjs", "--port", &port.to_string()]).args(words))
    })
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.path(FOLDER)
}

/// Builds what `wrangler deploy` uploads. The page must have been built.
pub(crate) fn build(workspace: &Workspace) -> Result<(), TaskError> {
    wasm::tools(workspace)?;
    process::run(wasm::cargo(workspace, "build").args(["--package", CRATE, "--lib"]))?;
    node::install(workspace, FOLDER)?;
    script(workspace)?;
    page(workspace)
}

/// Generates the bindings and optimises the module.
fn script(workspace: &Workspace) -> Result<(), TaskError> {
    let compiled =
        workspace.target("wasm32-unknown-unknown/wasm").join(format!("{}.wasm", CRATE.replace('-', "_")));
    let dist = folder(workspace).join("dist/script");
    let entry = folder(workspace).join("index.js");
    let optimiser = wasm::optimiser(workspace);
    let inputs = [compiled.clone(), entry.clone(), workspace.path("xtask/bindgen/src/main.rs")];
    let state = if optimiser.is_some() { "optimised" } else { "as compiled" };
    let stamp = Stamp::new(workspace, "worker", &inputs, &[state])?;
    if stamp.is_fresh(&[dist.join(SCRIPT), dist.join(MODULE)]) {
        note("unchanged");
        return Ok(());
    }
    empty(&dist)?;
    process::run(
        workspace.cargo().args(["run", "--package", "wasm-bindings", "--"]).arg(&compiled).arg(&dist),
    )?;
    // Types are for programs that import the module, and none does.
    for types in [SCRIPT.replace(".js", ".d.ts"), format!("{MODULE}.d.ts")] {
        let path = dist.join(types);
        fs::remove_file(&path).map_err(|source| TaskError::File { path, source })?;
    }
    if let Some(optimiser) = optimiser {
        wasm::optimise_with_simd(&optimiser, &dist.join(MODULE))?;
    }
    wasm::copy(&entry, &dist.join("index.js"))?;
    note(&format!("{} KB", wasm::size(&dist.join(MODULE))));
    stamp.record()
}

/// Lays the page beside it, with the headers that its files are to be served with.
fn page(workspace: &Workspace) -> Result<(), TaskError> {
    let dist = folder(workspace).join("dist/page");
    empty(&dist)?;
    copy_all(&workspace.path("dist/www"), &dist)?;
    wasm::copy(&folder(workspace).join("_headers"), &dist.join("_headers"))
}

fn empty(path: &Path) -> Result<(), TaskError> {
    let failed = |source| TaskError::File { path: path.to_owned(), source };
    if path.exists() {
        fs::remove_dir_all(path).map_err(failed)?;
    }
    fs::create_dir_all(path).map_err(failed)
}

fn copy_all(from: &Path, to: &Path) -> Result<(), TaskError> {
    let failed = |source| TaskError::File { path: from.to_owned(), source };
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_all(&path, &to)?;
        } else {
            wasm::copy(&path, &to)?;
        }
    }
    Ok(())
}

/// What the `worker` step of the tests runs: the conformance suite, then the tests of `edge-server/worker/test`.
pub(crate) fn test(workspace: &Workspace) -> Result<(), TaskError> {
    build(workspace)?;
    let mut suite = workspace.cargo();
    suite.args([
        "test",
        "--quiet",
        "--package",
        "conformance",
        "--test",
        "suite",
        "worker",
        "--",
        "--ignored",
    ]);
    process::run(&mut suite)?;
    process::run(&mut node::script(&folder(workspace), "test"))
}
