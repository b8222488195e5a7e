//! `cargo xtask static`: the server as one file without dependencies, the same bytes for the same sources,
//! toolchain and C compiler, wherever they lie.

use std::fs;
use std::path::PathBuf;
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

/// Builds `dist/edge-server`.
pub(crate) fn run(workspace: &Workspace, arguments: Arguments) -> Result<(), TaskError> {
    arguments.finish()?;
    let mut progress = Progress::new(2);
    progress.step("Find the tools", || tools(workspace))?;
    progress.step("Build the server", || build(workspace))
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

fn build(workspace: &Workspace) -> Result<(), TaskError> {
    // Paths of this machine would be in the bytes otherwise.
    let sources = [(workspace.path(""), "/source"), (cargo_home(), "/cargo")];
    let rust: Vec<String> =
        sources.iter().map(|(from, to)| format!("--remap-path-prefix={}={to}", plain(from))).collect();
    let c: Vec<String> =
        sources.iter().map(|(from, to)| format!("-ffile-prefix-map={}={to}", plain(from))).collect();
    process::run(
        workspace
            .cargo()
            .env("CARGO_ENCODED_RUSTFLAGS", rust.join("\u{1f}"))
            .env("CFLAGS_x86_64_unknown_linux_musl", c.join(" "))
            .env("CC_x86_64_unknown_linux_musl", COMPILER)
            .env("SOURCE_DATE_EPOCH", "0")
            .args(["build", "--locked", "--profile", "static", "--target", TARGET])
            .args(["--package", "edge-server-native", "--bin", "edge-server"]),
    )?;
    let built = workspace.target(TARGET).join("static/edge-server");
    let to = workspace.path("dist/edge-server");
    let failed = |source| TaskError::File { path: to.clone(), source };
    fs::create_dir_all(workspace.path("dist")).map_err(failed)?;
    let bytes = fs::copy(&built, &to).map_err(failed)?;
    note(&format!("{}: {:.1} MB", to.display(), bytes as f64 / 1e6));
    // It runs, and says so without the libraries of this system.
    process::run(Command::new(&to).arg("--version"))
}

fn plain(path: &std::path::Path) -> String {
    path.display().to_string().trim_end_matches('/').to_owned()
}

fn cargo_home() -> PathBuf {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo"))).unwrap_or_default()
}
