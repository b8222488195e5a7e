//! Finding the browsers of the end-to-end tests.

use std::env;
use std::path::PathBuf;

use crate::debian;
use crate::error::TaskError;

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
        debian::install_if_allowed(package)?;
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
        let on_path = self.names.iter().find_map(|name| debian::on_path(name));
        on_path.or_else(|| self.paths.iter().map(PathBuf::from).find(|path| path.is_file()))
    }
}
