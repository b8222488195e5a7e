//! The binary: reads the command line and calls the library.

use std::process::ExitCode;

/// Keeps the large blocks that an evaluation frees and takes again; giving each back to the system and
/// having it cleared was nearly a third of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    edge_server_native::run()
}
