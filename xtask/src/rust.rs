//! Rust's compilation targets.

use std::path::Path;
use std::process::Command;

use crate::error::TaskError;
use crate::process;
use crate::progress::note;
use crate::workspace::Workspace;

/// The target of the browser client.
pub(crate) const WASM: &str = "wasm32-unknown-unknown";
/// A microcontroller without an operating system: proves that `core` needs no standard library.
pub(crate) const BARE_METAL: &str = "thumbv7em-none-eabihf";

/// Adds the standard library of `target` with rustup, unless it is installed.
pub(crate) fn require_target(workspace: &Workspace, target: &str) -> Result<(), TaskError> {
    if installed(workspace, target) {
        return Ok(());
    }
    note(&format!("rustup target add {target}"));
    let mut rustup = Command::new("rustup");
    rustup.current_dir(workspace.path("")).args(["target", "add", target]);
    process::run(&mut rustup).map_err(|_| TaskError::Missing {
        what: format!("Rust's target {target}"),
        hint: format!(
            "With rustup (https://rustup.rs): `rustup target add {target}`. A Rust from a system's \
             package manager usually has it as a package of its own."
        ),
    })
}

fn installed(workspace: &Workspace, target: &str) -> bool {
    let mut rustc = Command::new("rustc");
    rustc.current_dir(workspace.path("")).args(["--print", "target-libdir", "--target", target]);
    process::capture(&mut rustc).is_ok_and(|directory| Path::new(directory.trim()).exists())
}
