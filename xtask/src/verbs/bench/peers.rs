//! `cargo xtask bench peers`: the same operations at the same degree and log₂(QP) in this library and in rivals
//! from public package registries, on one core, in alternating rounds.

mod install;
mod ratios;

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::{PACKAGE, lines};
use crate::error::TaskError;
use crate::progress::Progress;
use crate::workspace::Workspace;
use crate::{document, process};
use install::Tools;
use ratios::{Rounds, Side};

/// A ratio is the median of as many rounds.
const ROUNDS: usize = 3;
const FOLDER: &str = "benches/peers";
const DOCUMENT: &str = "docs/performance.md";
const VERB: &str = "bench peers";

/// Measures, and rewrites the tables of the README and of the document about performance.
pub(super) fn run(workspace: &Workspace) -> Result<(), TaskError> {
    let mut progress = Progress::new(4);
    let tools = progress.step("Install the rivals", || install::tools(workspace))?;
    progress.step("Build this library's bench natively and for WebAssembly", || build(workspace))?;
    let rounds = progress.step("Measure in turns", || {
        (0..ROUNDS).map(|_| round(workspace, &tools)).collect::<Result<Vec<_>, _>>()
    })?;
    progress.step("Rewrite the tables", || {
        let native = Rounds::new(Side::Native, &rounds);
        let webassembly = Rounds::new(Side::WebAssembly, &rounds);
        let machine = format!("One core of {}; {}.", document::processor(), tools.versions);
        let detailed = format!("{machine}\n\n{}\n{}", native.tables(), webassembly.tables());
        print!("\n{detailed}\n");
        document::rewrite(&workspace.path(DOCUMENT), VERB, &detailed)?;
        let summary = ratios::summary(&machine, &native, &webassembly);
        document::rewrite(&workspace.path("README.md"), VERB, &summary)
    })
}

fn build(workspace: &Workspace) -> Result<(), TaskError> {
    process::run(workspace.cargo().args(["build", "--quiet", "--release", "--package", PACKAGE]))?;
    super::build_for_webassembly(workspace)
}

/// Every program once, each pinned to one core where the system can do that.
fn round(workspace: &Workspace, tools: &Tools) -> Result<Vec<Value>, TaskError> {
    let native = workspace.target("release").join(PACKAGE);
    let module = super::module(workspace);
    let runner = workspace.path("xtask/npm/run-wasi.mjs");
    let text = |path: PathBuf| path.display().to_string();
    let peers = workspace.path(FOLDER);
    let mut programs = vec![vec![text(native), "core".to_owned(), "--fastest".to_owned()]];
    programs.extend(tools.native.iter().map(|words| words.iter().cloned().map(text).collect()));
    let node = text(tools.node.clone());
    programs.push(vec![
        node.clone(),
        "--no-warnings".to_owned(),
        text(runner),
        text(module),
        "core".to_owned(),
        "--fastest".to_owned(),
    ]);
    programs.push(vec![node, "--experimental-wasm-exnref".to_owned(), text(peers.join("run_node_seal.mjs"))]);
    let mut measured = Vec::new();
    for program in programs {
        let mut command = if tools.can_pin {
            let mut taskset = Command::new("taskset");
            taskset.args(["--cpu-list", "0"]).args(&program);
            taskset
        } else {
            let mut command = Command::new(&program[0]);
            command.args(&program[1..]);
            command
        };
        command.env("OMP_NUM_THREADS", "1");
        measured.extend(lines(&process::capture(&mut command)?)?);
    }
    Ok(measured)
}
