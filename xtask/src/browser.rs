//! Finding a Chromium for the end-to-end tests.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::error::TaskError;
use crate::process;
use crate::progress::note;

/// Where to look: names on the path, then whole paths.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
const PATHS: [&str; 2] = [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
];
/// The environment variable that overrides the search, and that the tests read.
pub(crate) const VARIABLE: &str = "CHROMIUM";

/// Finds a Chromium; installs Debian's when there is none and this user may.
pub(crate) fn require() -> Result<PathBuf, TaskError> {
    if let Some(found) = find() {
        return Ok(found);
    }
    if may_install() {
        note("apt-get install chromium");
        process::run(apt().arg("update"))?;
        process::run(apt().args(["install", "--yes", "--no-install-recommends", "chromium"]))?;
    }
    find().ok_or_else(|| TaskError::Missing {
        what: "Chromium".to_owned(),
        hint: format!(
            "Debian, Ubuntu: `apt-get install chromium`; elsewhere any Chrome or Chromium, its path in {VARIABLE}. \
             `cargo xtask test --no-browser` leaves the browser tests out."
        ),
    })
}

fn find() -> Option<PathBuf> {
    if let Some(path) = env::var_os(VARIABLE) {
        return Some(PathBuf::from(path));
    }
    let directories = env::var_os("PATH").unwrap_or_default();
    let on_path = NAMES.iter().flat_map(|name| {
        env::split_paths(&directories).map(|directory| directory.join(name)).collect::<Vec<_>>()
    });
    on_path.chain(PATHS.iter().map(PathBuf::from)).find(|path| path.is_file())
}

/// Tells whether this is root on a system with apt.
fn may_install() -> bool {
    process::capture(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
        && process::capture(apt().arg("--version")).is_ok()
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}
