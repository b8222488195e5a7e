//! `cargo xtask models`: compiles the shipped models again.

mod accuracy;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::arguments::Arguments;
use crate::document;
use crate::error::TaskError;
use crate::process;
use crate::progress::Progress;
use crate::workspace::Workspace;

/// Compiles `models/*/model.onnx`, or only the models named, to `models/*/package`, and rewrites the README's table of
/// what their reports say.
pub(crate) fn run(workspace: &Workspace, mut arguments: Arguments) -> Result<(), TaskError> {
    let names = arguments.names();
    arguments.finish()?;
    let folder = workspace.path("models");
    let models = if names.is_empty() { shipped(&folder)? } else { names };
    let mut progress = Progress::new(models.len() + 1);
    for model in models {
        progress.step(&format!("Compile models/{model}"), || compile(workspace, &model))?;
    }
    progress.step("Rewrite the table of README.md", || {
        document::rewrite(&workspace.path("README.md"), "models", &accuracy::render(&reports(&folder)?))
    })
}

/// Names of the folders with an ONNX file.
fn shipped(models: &Path) -> Result<Vec<String>, TaskError> {
    let entries =
        fs::read_dir(models).map_err(|source| TaskError::File { path: models.to_owned(), source })?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().join("model.onnx").exists())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

/// Their names and reports.
fn reports(models: &Path) -> Result<Vec<(String, Value)>, TaskError> {
    let report = |name: String| {
        let path = models.join(&name).join("package/report.json");
        let read =
            fs::read(&path).and_then(|bytes| serde_json::from_slice(&bytes).map_err(std::io::Error::other));
        Ok((name, read.map_err(|source| TaskError::File { path, source })?))
    };
    shipped(models)?.into_iter().map(report).collect()
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
