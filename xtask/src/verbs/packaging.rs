//! `cargo xtask packaging`: the npm package as strangers use it, in every kind of project.

use std::process::Command;

use crate::arguments::Arguments;
use crate::browser::{CHROMIUM, FIREFOX};
use crate::error::TaskError;
use crate::progress::Progress;
use crate::verbs::wasm;
use crate::workspace::Workspace;
use crate::{node, process, server};

const FOLDER: &str = "tests/packaging";

/// Packs the package, installs it into a fresh project of each kind, predicts in each.
pub(crate) fn run(workspace: &Workspace, arguments: Arguments) -> Result<(), TaskError> {
    arguments.finish()?;
    let mut progress = Progress::new(wasm::STEPS + 2);
    wasm::build(workspace, &mut progress)?;
    progress.step("Build the server", || server::build(workspace))?;
    progress.step(
        "Pack, install, predict: Node, Deno, Bun, workerd, Vite, webpack, esbuild, files, the page, the recipes",
        || {
            node::install(workspace, FOLDER)?;
            let mut command = script(workspace, "test:all");
            for browser in [CHROMIUM, FIREFOX] {
                command.env(browser.variable, browser.require()?);
            }
            process::run(&mut command)
        },
    )
}

/// The part that needs nothing but Node: the tarball, and a project of Node's.
pub(crate) fn core(workspace: &Workspace) -> Result<(), TaskError> {
    node::require()?;
    process::run(&mut script(workspace, "test:core"))
}

fn script(workspace: &Workspace, name: &str) -> Command {
    let mut command = node::script(&workspace.path(FOLDER), name);
    command.env("EDGE_SERVER", server::program(workspace));
    command
}
