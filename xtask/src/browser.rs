//! Finding the browsers of the end-to-end tests.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::error::TaskError;
use crate::process;
use crate::progress::note;

/// A browser that tests drive.
pub(crate) struct Browser {
    name: &'static str,
    /// The environment variable that overrides the search, and that the tests read.
    pub(crate) variable: &'static str,
    /// Debian's package.
    package: &'static str,
    /// Names on the path.
    names: &'static [&'static str],
    /// Whole paths, where it is on other systems.
    paths: &'static [&'static str],
    /// How to do without.
    otherwise: &'static str,
}

/// Any Chromium.
pub(crate) const CHROMIUM: Browser = Browser {
    name: "Chromium",
    variable: "CHROMIUM",
    package: "chromium",
    names: &["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"],
    paths: &[
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
    ],
    otherwise: "`cargo xtask test --no-browser` leaves the browser tests out.",
};

/// Any Firefox.
pub(crate) const FIREFOX: Browser = Browser {
    name: "Firefox",
    variable: "FIREFOX",
    package: "firefox-esr",
    names: &["firefox-esr", "firefox"],
    paths: &["/Applications/Firefox.app/Contents/MacOS/firefox"],
    otherwise: "Only `cargo xtask packaging` needs it.",
};

impl Browser {
    /// Finds the browser; installs Debian's when there is none and this user may.
    pub(crate) fn require(&self) -> Result<PathBuf, TaskError> {
        if let Some(found) = self.find() {
            return Ok(found);
        }
        let Self { name, variable, package, otherwise, .. } = self;
        if may_install() {
            note(&format!("apt-get install {package}"));
            process::run(apt().arg("update"))?;
            process::run(apt().args(["install", "--yes", "--no-install-recommends", package]))?;
        }
        self.find().ok_or_else(|| TaskError::Missing {
            what: (*name).to_owned(),
            hint: format!(
                "Debian, Ubuntu: `apt-get install {package}`; elsewhere any {name}, its path in {variable}. \
                 {otherwise}"
            ),
        })
    }

    fn find(&self) -> Option<PathBuf> {
        if let Some(path) = env::var_os(self.variable) {
            return Some(PathBuf::from(path));
        }
        let directories = env::var_os("PATH").unwrap_or_default();
        let on_path = self.names.iter().flat_map(|name| {
            env::split_paths(&directories).map(|directory| directory.join(name)).collect::<Vec<_>>()
        });
        on_path.chain(self.paths.iter().map(PathBuf::from)).find(|path| path.is_file())
    }
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
