//! `cargo xtask wasm`: the client, from Rust to a page that can be served.
//!
//! `client-wasm` → `client-wasm/js/wasm` (module and bindings) → `client-wasm/js/dist` (npm package) → `dist/www`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::arguments::Arguments;
use crate::error::TaskError;
use crate::progress::{Progress, note};
use crate::stamp::Stamp;
use crate::workspace::Workspace;
use crate::{node, process, rust};

/// How many steps [`build_client`] takes.
pub(crate) const CLIENT_STEPS: usize = 4;
/// How many steps [`build`] takes.
pub(crate) const STEPS: usize = CLIENT_STEPS + 1;

const MODULE: &str = "client_wasm.wasm";
const JS: &str = "client-wasm/js";
const BUILD_TOOLS: &str = "xtask/npm";

/// Features are listed one by one: `-all` would let wasm-opt use what browsers do not have.
const OPTIMISE: [&str; 8] = [
    "-O3",
    "--enable-simd",
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
];

/// Builds client, npm package and page.
pub(crate) fn run(workspace: &Workspace, arguments: Arguments) -> Result<(), TaskError> {
    arguments.finish()?;
    build(workspace, &mut Progress::new(STEPS))
}

/// Builds client, npm package and page in [`STEPS`] steps.
pub(crate) fn build(workspace: &Workspace, progress: &mut Progress) -> Result<(), TaskError> {
    build_client(workspace, progress)?;
    progress.step("Build the page: dist/www", || page(workspace))
}

/// Builds the client and its npm package in [`CLIENT_STEPS`] steps.
pub(crate) fn build_client(workspace: &Workspace, progress: &mut Progress) -> Result<(), TaskError> {
    progress.step("Look for Node, npm and Rust's WebAssembly target", || tools(workspace))?;
    progress.step("Compile the client to WebAssembly", || compile(workspace))?;
    progress.step("Generate and optimise the bindings: client-wasm/js/wasm", || bindings(workspace))?;
    progress.step("Build the npm package: client-wasm/js", || package(workspace))
}

/// Gets everything the build needs that is not there yet.
pub(crate) fn tools(workspace: &Workspace) -> Result<(), TaskError> {
    node::require()?;
    rust::require_target(workspace, rust::WASM)
}

/// A cargo command that compiles for browsers, in the profile made for them and with SIMD.
pub(crate) fn cargo(workspace: &Workspace, subcommand: &str) -> Command {
    let mut command = workspace.cargo();
    rust::with_simd(&mut command).args([subcommand, "--target", rust::WASM, "--profile", "wasm"]);
    command
}

fn compile(workspace: &Workspace) -> Result<(), TaskError> {
    process::run(cargo(workspace, "build").args(["--package", "client-wasm", "--lib"]))
}

fn bindings(workspace: &Workspace) -> Result<(), TaskError> {
    let compiled = workspace.target(rust::WASM).join("wasm").join(MODULE);
    let directory = workspace.path(JS).join("wasm");
    let output = directory.join("client_wasm_bg.wasm");
    let optimiser = optimiser(workspace);
    let inputs = [
        compiled.clone(),
        workspace.path("xtask/bindgen/Cargo.toml"),
        workspace.path(BUILD_TOOLS).join("package-lock.json"),
    ];
    let mut settings = vec![if optimiser.is_some() { "optimised" } else { "as compiled" }];
    settings.extend(OPTIMISE);
    let stamp = Stamp::new(workspace, "bindings", &inputs, &settings)?;
    if stamp.is_fresh(&[output.clone(), directory.join("client_wasm.js")]) {
        note("unchanged");
        return Ok(());
    }

    process::run(
        workspace.cargo().args(["run", "--package", "wasm-bindings", "--"]).arg(&compiled).arg(&directory),
    )?;
    let before = size(&output);
    if let Some(optimiser) = optimiser {
        optimise(&optimiser, &output)?;
        note(&format!("{before} KB compiled, {} KB optimised", size(&output)));
    }
    stamp.record()
}

/// Gets wasm-opt. The client works without it, a little slower, so that its absence is no error.
fn optimiser(workspace: &Workspace) -> Option<PathBuf> {
    let installed = node::install(workspace, BUILD_TOOLS);
    let program = workspace.path(BUILD_TOOLS).join("node_modules/binaryen/bin/wasm-opt");
    if installed.is_ok() && program.exists() {
        return Some(program);
    }
    note("NOTE: wasm-opt (npm package binaryen) could not be installed; the module stays as compiled");
    None
}

fn optimise(optimiser: &Path, module: &Path) -> Result<(), TaskError> {
    let optimised = module.with_extension("optimised");
    process::run(Command::new("node").arg(optimiser).args(OPTIMISE).arg(module).arg("-o").arg(&optimised))?;
    fs::rename(&optimised, module).map_err(|source| TaskError::File { path: module.to_owned(), source })
}

/// Size of a file in kilobytes.
fn size(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |metadata| metadata.len() / 1000)
}

fn package(workspace: &Workspace) -> Result<(), TaskError> {
    node::install(workspace, JS)?;
    process::run(&mut node::script(&workspace.path(JS), "build"))
}

/// Builds the static page, which imports the npm package by name.
fn page(workspace: &Workspace) -> Result<(), TaskError> {
    if workspace.path("www/package-lock.json").exists() {
        node::install(workspace, "www")?;
    }
    process::run(node::node(&workspace.path("")).arg("www/build.mjs"))
}
