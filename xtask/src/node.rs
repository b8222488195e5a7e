//! Node and npm: whether they are there, and packages from lock files.

use std::path::Path;
use std::process::Command;

use crate::error::TaskError;
use crate::process;
use crate::progress::note;
use crate::stamp::Stamp;
use crate::workspace::Workspace;

/// The oldest Node that the client and its tests are written for.
const OLDEST_NODE: u32 = 20;
const HINT: &str = "Node 20 or newer: https://nodejs.org, or your system's package manager \
                    (Debian: `apt-get install nodejs npm`, macOS: `brew install node`).";

/// Checks that Node and npm are installed and new enough.
pub(crate) fn require() -> Result<(), TaskError> {
    let version =
        process::capture(Command::new("node").arg("--version")).map_err(|_| missing("Node".to_owned()))?;
    let major = version.trim().trim_start_matches('v').split('.').next();
    if major.and_then(|major| major.parse::<u32>().ok()).is_none_or(|major| major < OLDEST_NODE) {
        return Err(missing(format!("Node {OLDEST_NODE} (found {})", version.trim())));
    }
    process::capture(npm().arg("--version")).map_err(|_| missing("npm".to_owned()))?;
    Ok(())
}

fn missing(what: String) -> TaskError {
    TaskError::Missing { what, hint: HINT.to_owned() }
}

/// Node, started in a folder of the repository.
pub(crate) fn node(directory: &Path) -> Command {
    let mut command = Command::new("node");
    command.current_dir(directory);
    command
}

/// npm, by the name that the system can start.
fn npm() -> Command {
    Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" })
}

/// Runs a script of a `package.json`.
pub(crate) fn script(directory: &Path, name: &str) -> Command {
    let mut command = npm();
    command.current_dir(directory).args(["run", "--silent", name]);
    command
}

/// Installs exactly what the folder's lock file says, unless that is what is installed.
pub(crate) fn install(workspace: &Workspace, folder: &str) -> Result<(), TaskError> {
    let directory = workspace.path(folder);
    let inputs = [directory.join("package.json"), directory.join("package-lock.json")];
    let stamp = Stamp::new(workspace, &format!("npm-{}", folder.replace('/', "-")), &inputs, &[])?;
    if stamp.is_fresh(&[directory.join("node_modules")]) {
        note(&format!("{folder}: npm packages are as the lock file says"));
        return Ok(());
    }
    note(&format!("{folder}: npm ci"));
    process::run(npm().current_dir(&directory).args(["ci", "--no-audit", "--no-fund"]))?;
    stamp.record()
}
