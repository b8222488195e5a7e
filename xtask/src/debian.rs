//! Installing Debian's packages where that may be done: as root on a system with apt.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::error::TaskError;
use crate::process;
use crate::progress::note;

/// Installs a package if this user may; whether it helped is for the caller to see.
pub(crate) fn install_if_allowed(package: &str) -> Result<(), TaskError> {
    if !may_install() {
        return Ok(());
    }
    note(&format!("apt-get install {package}"));
    process::run(apt().arg("update"))?;
    process::run(apt().args(["install", "--yes", "--no-install-recommends", package]))
}

/// Tells whether a program is on the path, after trying to install its package.
pub(crate) fn has(program: &str, package: &str) -> bool {
    on_path(program).is_some() || (install_if_allowed(package).is_ok() && on_path(program).is_some())
}

/// Finds a program on the path.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let directories = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&directories).map(|directory| directory.join(program)).find(|path| path.is_file())
}

/// Tells whether this user is root.
pub(crate) fn is_root() -> bool {
    process::capture(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

fn may_install() -> bool {
    is_root() && process::capture(apt().arg("--version")).is_ok()
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}
