//! Python: whether it is there, and packages in exact versions.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::TaskError;
use crate::process;
use crate::progress::{not_tested, note};
use crate::stamp::Stamp;
use crate::workspace::Workspace;

/// The oldest Python that the scripts are written for.
const OLDEST: (u32, u32) = (3, 10);
/// The environment variable that overrides the search.
const VARIABLE: &str = "PYTHON";

/// Finds a Python that is new enough.
///
/// Outside of CI a machine without one only leaves a test out, and says so.
pub(crate) fn find(what: &str) -> Result<Option<PathBuf>, TaskError> {
    let named = env::var_os(VARIABLE).map(PathBuf::from);
    let candidates = named.into_iter().chain(["python3", "python"].map(PathBuf::from));
    if let Some(python) = candidates.into_iter().find(|python| is_new_enough(python)) {
        return Ok(Some(python));
    }
    let (major, minor) = OLDEST;
    let missing = format!("Python {major}.{minor} or newer");
    let hint = format!(
        "Debian: `apt-get install python3 python3-venv`; elsewhere https://python.org, its path in {VARIABLE}."
    );
    if env::var_os("CI").is_some() {
        return Err(TaskError::Missing { what: missing, hint });
    }
    not_tested(&format!("{what}. {missing} is missing. {hint}"));
    Ok(None)
}

/// Makes a virtual environment of this name with exactly what a file of requirements says, unless it is there, and returns its
/// Python.
///
/// Outside of CI a machine that cannot install them only leaves a test out, and says so.
pub(crate) fn environment(
    workspace: &Workspace,
    name: &str,
    what: &str,
    requirements: &str,
) -> Result<Option<PathBuf>, TaskError> {
    let Some(python) = find(what)? else { return Ok(None) };
    let file = workspace.path(requirements);
    let folder = workspace.target("xtask/python").join(name);
    let own = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let stamp = Stamp::new(workspace, &format!("python-{name}"), std::slice::from_ref(&file), &[])?;
    if stamp.is_fresh(std::slice::from_ref(&own)) {
        note("Python packages are as the requirements say");
        return Ok(Some(own));
    }
    note(&format!("pip install --requirement {requirements}"));
    let install = || {
        process::run(Command::new(&python).args(["-m", "venv", "--clear"]).arg(&folder))?;
        let mut pip = Command::new(&own);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
        process::run(pip.arg("--requirement").arg(&file))
    };
    match install() {
        Ok(()) => stamp.record().map(|()| Some(own)),
        Err(error) if env::var_os("CI").is_some() => Err(error),
        Err(error) => {
            not_tested(&format!("{what}. {error}"));
            Ok(None)
        }
    }
}

fn is_new_enough(python: &Path) -> bool {
    let program = "import sys; print(*sys.version_info[:2])";
    let Ok(version) = process::capture(Command::new(python).args(["-c", program])) else { return false };
    let mut parts = version.split_whitespace().filter_map(|part| part.parse::<u32>().ok());
    parts.next().zip(parts.next()).is_some_and(|version| version >= OLDEST)
}
