//! The binary: reads the command line and calls the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    edge_server_native::run()
}
