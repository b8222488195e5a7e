//! Where things are: the repository's root and cargo's target directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::error::TaskError;
use crate::process;

/// The repository whose `cargo xtask` runs.
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// Asks cargo, which knows about `CARGO_TARGET_DIR` and configuration files. The folder comes from the environment
    /// `cargo run` sets, not from the build: clones that share a target directory share this program too.
    pub(crate) fn find() -> Result<Self, TaskError> {
        let folder =
            std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let manifest = PathBuf::from(folder).join("Cargo.toml");
        let text = process::capture(
            cargo().args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]).arg(manifest),
        )?;
        let metadata: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        let path = |field: &'static str| {
            metadata[field].as_str().map(PathBuf::from).ok_or(TaskError::Metadata { field })
        };
        Ok(Self { root: path("workspace_root")?, target: path("target_directory")? })
    }

    /// A path inside the repository.
    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    /// A path inside cargo's target directory.
    pub(crate) fn target(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.target.join(relative)
    }

    /// A cargo command in the repository's root.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = cargo();
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        command
    }
}

/// The cargo that runs this program, or the one on the path.
fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
