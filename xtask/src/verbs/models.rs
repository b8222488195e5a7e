//! `cargo xtask models`: compiles the shipped models again.

use std::fs;
use std::path::PathBuf;

use crate::arguments::Arguments;
use crate::error::TaskError;
use crate::process;
use crate::progress::Progress;
use crate::workspace::Workspace;

/// Compiles `models/*/model.onnx`, or only the models named, to `models/*/package`.
pub(crate) fn run(workspace: &Workspace, mut arguments: Arguments) -> Result<(), TaskError> {
    let names = arguments.names();
    arguments.finish()?;
    let models = if names.is_empty() { shipped(workspace)? } else { names };
    let mut progress = Progress::new(models.len());
    for model in models {
        progress.step(&format!("Compile models/{model}"), || compile(workspace, &model))?;
    }
    Ok(())
}

/// Names of the folders of `models/` with an ONNX file.
fn shipped(workspace: &Workspace) -> Result<Vec<String>, TaskError> {
    let directory = workspace.path("models");
    let entries =
        fs::read_dir(&directory).map_err(|source| TaskError::File { path: directory.clone(), source })?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().join("model.onnx").exists())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

fn compile(workspace: &Workspace, model: &str) -> Result<(), TaskError> {
    let folder = PathBuf::from("models").join(model);
    process::run(
        workspace
            .cargo()
            .args(["run", "--release", "--package", "model-compiler", "--", "compile", "--picture"])
            .arg(folder.join("model.onnx"))
            .arg("--output")
            .arg(folder.join("package")),
    )
}
