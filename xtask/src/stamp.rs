//! Skipping work whose inputs have not changed since the last time.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::error::TaskError;
use crate::workspace::Workspace;

/// The fingerprint of one piece of work's inputs, and the file that remembers the last one.
pub(crate) struct Stamp {
    file: PathBuf,
    fingerprint: String,
}

impl Stamp {
    /// Reads all `inputs`; `settings` stands for everything else that changes the result.
    ///
    /// The stamp lies in the target directory, one per checkout, since a target directory can serve several.
    pub(crate) fn new(
        workspace: &Workspace,
        name: &str,
        inputs: &[PathBuf],
        settings: &[&str],
    ) -> Result<Self, TaskError> {
        let mut hasher = DefaultHasher::new();
        settings.hash(&mut hasher);
        for path in inputs {
            let bytes = fs::read(path).map_err(|source| TaskError::File { path: path.clone(), source })?;
            bytes.hash(&mut hasher);
        }
        let mut checkout = DefaultHasher::new();
        workspace.path("").hash(&mut checkout);
        let file = workspace.target(format!("xtask/{:016x}/{name}", checkout.finish()));
        Ok(Self { file, fingerprint: format!("{:016x}", hasher.finish()) })
    }

    /// Tells whether the work was done with these inputs and all its `outputs` still exist.
    pub(crate) fn is_fresh(&self, outputs: &[PathBuf]) -> bool {
        outputs.iter().all(|path| path.exists())
            && fs::read_to_string(&self.file).is_ok_and(|last| last == self.fingerprint)
    }

    /// Remembers that the work has been done.
    pub(crate) fn record(&self) -> Result<(), TaskError> {
        let write = || {
            fs::create_dir_all(self.file.parent().unwrap_or(Path::new(".")))?;
            fs::write(&self.file, &self.fingerprint)
        };
        write().map_err(|source| TaskError::File { path: self.file.clone(), source })
    }
}
