//! `cargo xtask conformance`: checks a server against the numbered sentences of `docs/api.md`.

use std::fs;
use std::path::Path;

use crate::arguments::Arguments;
use crate::error::TaskError;
use crate::process;
use crate::progress::note;
use crate::server;
use crate::workspace::Workspace;

/// Checks the server of `--url`, or the native one, which it then builds and starts.
///
/// Everything else goes to the suite as it is: `--token`, `--only`, `--strict`, `--with` …
pub(crate) fn run(workspace: &Workspace, mut arguments: Arguments) -> Result<(), TaskError> {
    let url = arguments.value("--url", "the address of a server")?;
    let rest = arguments.rest();
    if let Some(url) = url {
        return check(workspace, &url, &rest);
    }
    server::build(workspace)?;
    let port = server::free_port(None)?;
    let data = workspace.target("conformance/data");
    let server = server::start(workspace, port, &data, None)?;
    let rest = [vec!["--packages".to_owned(), workspace.path("models").display().to_string()], rest].concat();
    let checked = check(workspace, &format!("http://127.0.0.1:{port}"), &rest);
    drop(server);
    checked
}

/// Runs the suite, its reports beside each other in the target directory.
fn check(workspace: &Workspace, url: &str, rest: &[String]) -> Result<(), TaskError> {
    let folder = workspace.target("conformance");
    fs::create_dir_all(&folder).map_err(|source| TaskError::File { path: folder.clone(), source })?;
    let mut command = workspace.cargo();
    command.args(["run", "--release", "--quiet", "--package", "conformance", "--", "--url", url]);
    let reports = [
        ("--junit", "junit.xml"),
        ("--json", "report.json"),
        ("--html", "report.html"),
        ("--badge", "badge.svg"),
    ];
    for (option, file) in reports {
        command.arg(option).arg(folder.join(file));
    }
    let checked = process::run(command.args(rest));
    note(&format!("reports: {}", Path::new(&folder).display()));
    checked
}
