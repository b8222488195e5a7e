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
const CLIENT_STEPS: usize = 4;
/// How many steps [`build`] takes.
pub(crate) const STEPS: usize = CLIENT_STEPS + 1;

const MODULE: &str = "client_wasm.wasm";
const JS: &str = "client-wasm/js";
/// Where the bindings of both builds go; the modules stand beside them by their names.
const BINDINGS: &str = "client-wasm/js/wasm/client_wasm.js";
const BUILD_TOOLS: &str = "xtask/npm";

/// The two builds of the module: one with 128-bit SIMD, one for engines without it.
#[derive(Clone, Copy)]
enum Build {
    Simd,
    Scalar,
}

impl Build {
    const ALL: [Self; 2] = [Self::Simd, Self::Scalar];

    const fn name(self) -> &'static str {
        match self {
            Self::Simd => "simd",
            Self::Scalar => "scalar",
        }
    }

    /// A target directory of its own: cargo gives both builds the same file name.
    fn target(self, workspace: &Workspace) -> PathBuf {
        match self {
            Self::Simd => workspace.target(""),
            Self::Scalar => workspace.target("scalar"),
        }
    }
}

/// Features are listed one by one: `-all` would let wasm-opt use what browsers do not have.
const OPTIMISE: [&str; 7] = [
    "-O3",
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
fn build_client(workspace: &Workspace, progress: &mut Progress) -> Result<(), TaskError> {
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
    let mut command = cargo_scalar(workspace, subcommand);
    rust::with_simd(&mut command);
    command
}

/// The same without SIMD.
fn cargo_scalar(workspace: &Workspace, subcommand: &str) -> Command {
    let mut command = workspace.cargo();
    command.args([subcommand, "--target", rust::WASM, "--profile", "wasm"]);
    command
}

fn compile(workspace: &Workspace) -> Result<(), TaskError> {
    for build in Build::ALL {
        note(build.name());
        let mut command = match build {
            Build::Simd => cargo(workspace, "build"),
            Build::Scalar => cargo_scalar(workspace, "build"),
        };
        let client = command.args(["--package", "client-wasm", "--lib"]);
        process::run(client.arg("--target-dir").arg(build.target(workspace)))?;
    }
    Ok(())
}

fn bindings(workspace: &Workspace) -> Result<(), TaskError> {
    let optimiser = optimiser(workspace);
    for build in Build::ALL {
        bind(workspace, build, optimiser.as_deref())?;
    }
    Ok(())
}

fn bind(workspace: &Workspace, build: Build, optimiser: Option<&Path>) -> Result<(), TaskError> {
    let compiled = build.target(workspace).join(rust::WASM).join("wasm").join(MODULE);
    let generated = workspace.target("bindings").join(build.name());
    let script = workspace.path(BINDINGS);
    let output = script.with_file_name(build.name()).with_extension("wasm");
    let inputs = [
        compiled.clone(),
        workspace.path("xtask/bindgen/src/main.rs"),
        workspace.path(BUILD_TOOLS).join("package-lock.json"),
    ];
    let mut settings = vec![if optimiser.is_some() { "optimised" } else { "as compiled" }];
    settings.extend(OPTIMISE);
    let stamp = Stamp::new(workspace, &format!("bindings-{}", build.name()), &inputs, &settings)?;
    if stamp.is_fresh(&[output.clone(), script.clone()]) {
        note(&format!("{}: unchanged", build.name()));
        return Ok(());
    }

    process::run(
        workspace.cargo().args(["run", "--package", "wasm-bindings", "--"]).arg(&compiled).arg(&generated),
    )?;
    let made = generated.join("client_wasm.js");
    match build {
        Build::Simd => {
            copy(&made, &script)?;
            copy(&made.with_extension("d.ts"), &script.with_extension("d.ts"))?;
        }
        // One script serves both modules, so that it must be the same.
        Build::Scalar if read(&made)? != read(&script)? => {
            return Err(TaskError::Missing {
                what: "A script for both modules".to_owned(),
                hint: format!("{} and {} differ.", made.display(), script.display()),
            });
        }
        Build::Scalar => {}
    }
    let module = generated.join("client_wasm_bg.wasm");
    let before = size(&module);
    if let Some(optimiser) = optimiser {
        optimise(optimiser, build, &module)?;
    }
    copy(&module, &output)?;
    note(&format!("{}: {before} KB compiled, {} KB in the package", build.name(), size(&output)));
    stamp.record()
}

fn read(path: &Path) -> Result<Vec<u8>, TaskError> {
    fs::read(path).map_err(|source| TaskError::File { path: path.to_owned(), source })
}

/// Copies a file, into a folder that is made if need be.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), TaskError> {
    let folder = to.parent().unwrap_or(to);
    let copied = fs::create_dir_all(folder).and_then(|()| fs::copy(from, to));
    copied.map(drop).map_err(|source| TaskError::File { path: to.to_owned(), source })
}

/// Gets wasm-opt. The client works without it, a little slower, so that its absence is no error.
pub(crate) fn optimiser(workspace: &Workspace) -> Option<PathBuf> {
    let installed = node::install(workspace, BUILD_TOOLS);
    let program = workspace.path(BUILD_TOOLS).join("node_modules/binaryen/bin/wasm-opt");
    if installed.is_ok() && program.exists() {
        return Some(program);
    }
    note("NOTE: wasm-opt (npm package binaryen) could not be installed; the module stays as compiled");
    None
}

fn optimise(optimiser: &Path, build: Build, module: &Path) -> Result<(), TaskError> {
    match build {
        Build::Simd => optimise_with_simd(optimiser, module),
        Build::Scalar => optimise_with(optimiser, &[], module),
    }
}

/// Optimises a module that uses SIMD, in its place.
pub(crate) fn optimise_with_simd(optimiser: &Path, module: &Path) -> Result<(), TaskError> {
    optimise_with(optimiser, &["--enable-simd"], module)
}

fn optimise_with(optimiser: &Path, features: &[&str], module: &Path) -> Result<(), TaskError> {
    let optimised = module.with_extension("optimised");
    let mut command = Command::new("node");
    command.arg(optimiser).args(OPTIMISE).args(features);
    process::run(command.arg(module).arg("-o").arg(&optimised))?;
    fs::rename(&optimised, module).map_err(|source| TaskError::File { path: module.to_owned(), source })
}

/// Size of a file in kilobytes.
pub(crate) fn size(file: &Path) -> u64 {
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
