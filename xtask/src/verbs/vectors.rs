//! `cargo xtask vectors`: rewrites the exact test vectors.

use crate::arguments::Arguments;
use crate::error::TaskError;
use crate::process;
use crate::progress::Progress;
use crate::workspace::Workspace;

/// Rewrites `tests/vectors/*.json` from their fixed seeds.
pub(crate) fn run(workspace: &Workspace, arguments: Arguments) -> Result<(), TaskError> {
    arguments.finish()?;
    Progress::new(1).step("Rewrite tests/vectors/*.json", || {
        process::run(workspace.cargo().args(["run", "--release", "--package", "vector-tests", "--", "write"]))
    })
}
