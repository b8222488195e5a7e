//! Rust's compilation targets and their flags.

use std::env;
use std::path::Path;
use std::process::Command;

use crate::error::TaskError;
use crate::process;
use crate::progress::note;
use crate::workspace::Workspace;

/// The target of the browser client.
pub(crate) const WASM: &str = "wasm32-unknown-unknown";
/// WebAssembly with files and a command line, where Rust's test programs run.
pub(crate) const WASI: &str = "wasm32-wasip1";
/// 64-bit ARM with a C library that links without a cross compiler.
pub(crate) const ARM: &str = "aarch64-unknown-linux-musl";
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

/// Lets a cargo command for WebAssembly use SIMD.
pub(crate) fn with_simd(command: &mut Command) -> &mut Command {
    // Set for the command as a whole, because `RUSTFLAGS` of the caller would replace any configured flags.
    let mut flags = env::var_os("RUSTFLAGS").unwrap_or_default();
    flags.push(" -Ctarget-feature=+simd128");
    command.env_remove("CARGO_ENCODED_RUSTFLAGS").env("RUSTFLAGS", flags)
}
