//! What `deploy/` has is understood by those who read it: systemd, Kubernetes, and whoever builds containers.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::error::TaskError;
use crate::progress::not_tested;
use crate::workspace::Workspace;
use crate::{process, python, server};

/// Checks the files; a reader that is not installed here leaves its file out, and that is said.
pub(super) fn check(workspace: &Workspace) -> Result<(), TaskError> {
    systemd(workspace)?;
    kubernetes(workspace)
}

/// The unit, with the program that was built in the place of the installed one.
fn systemd(workspace: &Workspace) -> Result<(), TaskError> {
    if process::capture(Command::new("systemd-analyze").arg("--version")).is_err() {
        not_tested("the systemd unit. systemd-analyze is missing (Debian: `apt-get install systemd`)");
        return Ok(());
    }
    const INSTALLED: &str = "/usr/local/bin/edge-server";
    let unit = workspace.path("deploy/edge-server.service");
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| TaskError::File { path, source }
    };
    let text = fs::read_to_string(&unit).map_err(failed(&unit))?;
    if !text.contains(INSTALLED) {
        return Err(TaskError::Missing {
            what: INSTALLED.to_owned(),
            hint: format!("in {}", unit.display()),
        });
    }
    let folder = workspace.target("xtask/deployment");
    fs::create_dir_all(&folder).map_err(failed(&folder))?;
    let copy = folder.join("edge-server.service");
    let program = server::program(workspace).display().to_string();
    fs::write(&copy, text.replace(INSTALLED, &program)).map_err(failed(&copy))?;
    let mut command = Command::new("systemd-analyze");
    // Without the second option what it does not know is a warning.
    process::run(command.args(["verify", "--man=no", "--recursive-errors=one"]).arg(&copy))
}

fn kubernetes(workspace: &Workspace) -> Result<(), TaskError> {
    let requirements = "tests/deployment/requirements.txt";
    let Some(python) =
        python::environment(workspace, "deployment", "the Kubernetes manifests", requirements)?
    else {
        return Ok(());
    };
    let mut command = Command::new(python.with_file_name("kubernetes-validate"));
    let manifests = ["deploy/kubernetes.yaml", "deploy/kubernetes-cluster.yaml"];
    process::run(command.arg("--strict").args(manifests.map(|manifest| workspace.path(manifest))))
}
