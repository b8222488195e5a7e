//! `cargo xtask static`: the server as one file without dependencies, the same bytes for the same sources,
//! toolchain and C compiler, wherever they lie.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::arguments::Arguments;
use crate::debian;
use crate::error::TaskError;
use crate::process;
use crate::progress::{Progress, note};
use crate::rust;
use crate::workspace::Workspace;

/// Linux with a C library that is linked in.
const TARGET: &str = "x86_64-unknown-linux-musl";
/// Its C compiler.
const COMPILER: &str = "musl-gcc";
/// The program, in the target directory, and where it is put.
const BUILT: &str = "x86_64-unknown-linux-musl/static/edge-server";
const PUBLISHED: &str = "dist/edge-server";

/// What is built in: a program that is deployed is not built again for a second machine.
const FEATURES: &str = "cluster,traces";

/// Builds `dist/edge-server`, and with `--twice` once more from a copy of the sources in another folder.
pub(crate) fn run(workspace: &Workspace, mut arguments: Arguments) -> Result<(), TaskError> {
    let twice = arguments.flag("--twice");
    arguments.finish()?;
    let mut progress = Progress::new(if twice { 4 } else { 2 });
    progress.step("Find the tools", || tools(workspace))?;
    progress.step("Build the server", || publish(workspace))?;
    if !twice {
        return Ok(());
    }
    let copy = workspace.target("static-twin");
    progress.step("Build it from a copy of the sources", || {
        copy_sources(workspace, &copy)?;
        build(workspace, &copy, &copy.join("target"))
    })?;
    progress.step("Compare", || compare(workspace, &copy))
}

fn tools(workspace: &Workspace) -> Result<(), TaskError> {
    rust::require_target(workspace, TARGET)?;
    let compiler = || process::capture(Command::new(COMPILER).arg("--version"));
    if compiler().is_ok() {
        return Ok(());
    }
    // What it cannot do is said below.
    let _ = debian::install_if_allowed("musl-tools");
    compiler().map(drop).map_err(|_| TaskError::Missing {
        what: format!("The C compiler {COMPILER}"),
        hint: "Debian, Ubuntu: `apt-get install musl-tools`; elsewhere musl's own package.".to_owned(),
    })
}

/// Puts the program where it is looked for.
fn publish(workspace: &Workspace) -> Result<(), TaskError> {
    build(workspace, &workspace.path(""), &workspace.target(""))?;
    let to = workspace.path(PUBLISHED);
    let failed = |source| TaskError::File { path: to.clone(), source };
    fs::create_dir_all(workspace.path("dist")).map_err(failed)?;
    let bytes = fs::copy(workspace.target(BUILT), &to).map_err(failed)?;
    note(&format!("{}: {:.1} MB", to.display(), bytes as f64 / 1e6));
    // It runs, and says so without the libraries of this system.
    process::run(Command::new(&to).arg("--version"))
}

/// Builds the server from the sources in a folder.
fn build(workspace: &Workspace, folder: &Path, target: &Path) -> Result<(), TaskError> {
    // Paths of this machine would be in the bytes otherwise.
    let sources = [(folder.to_owned(), "/source"), (cargo_home(), "/cargo")];
    let rust: Vec<String> =
        sources.iter().map(|(from, to)| format!("--remap-path-prefix={}={to}", plain(from))).collect();
    let c: Vec<String> =
        sources.iter().map(|(from, to)| format!("-ffile-prefix-map={}={to}", plain(from))).collect();
    process::run(
        workspace
            .cargo()
            .current_dir(folder)
            .env("CARGO_TARGET_DIR", target)
            .env("CARGO_ENCODED_RUSTFLAGS", rust.join("\u{1f}"))
            .env("CFLAGS_x86_64_unknown_linux_musl", c.join(" "))
            .env("CC_x86_64_unknown_linux_musl", COMPILER)
            .env("SOURCE_DATE_EPOCH", "0")
            .args(["build", "--locked", "--profile", "static", "--target", TARGET])
            .args(["--package", "edge-server-native", "--bin", "edge-server", "--features", FEATURES]),
    )
}

/// Copies every file that git knows, except the models, of which the server has none inside.
fn copy_sources(workspace: &Workspace, to: &Path) -> Result<(), TaskError> {
    let listed = process::capture(
        Command::new("git").arg("-C").arg(workspace.path("")).args(["ls-files", "-z", "--", ":!models"]),
    )?;
    for name in listed.split('\0').filter(|name| !name.is_empty()) {
        let (from, to) = (workspace.path(name), to.join(name));
        let failed = |source| TaskError::File { path: from.clone(), source };
        fs::create_dir_all(to.parent().unwrap_or(&to)).map_err(failed)?;
        fs::copy(&from, &to).map_err(failed)?;
    }
    Ok(())
}

/// Says whether both programs are the same bytes, and deletes the copy if they are.
fn compare(workspace: &Workspace, copy: &Path) -> Result<(), TaskError> {
    let paths = [workspace.path(PUBLISHED), copy.join("target").join(BUILT)];
    let [first, second] = paths
        .each_ref()
        .map(|path| fs::read(path).map_err(|source| TaskError::File { path: path.clone(), source }));
    let (first, second) = (first?, second?);
    if first != second {
        let differing = first.iter().zip(&second).filter(|(one, other)| one != other).count();
        let [one, other] = paths.map(|path| path.display().to_string());
        return Err(TaskError::Failed {
            command: format!("cmp {one} {other}"),
            status: format!("{} and {} bytes, {differing} differ", first.len(), second.len()),
        });
    }
    note("the same bytes");
    fs::remove_dir_all(copy).map_err(|source| TaskError::File { path: copy.to_owned(), source })
}

fn plain(path: &Path) -> String {
    path.display().to_string().trim_end_matches('/').to_owned()
}

fn cargo_home() -> PathBuf {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo"))).unwrap_or_default()
}
