//! `cargo xtask <verb>`: everything the project does to itself, so that a fresh machine needs cargo and Node.
//!
//! One file per verb under `verbs`; what they share lies beside it. Nothing here knows cryptography: a verb
//! starts other programs in the right order, says which step runs and how long it took, and names what is missing.

mod error;

mod arguments;
mod process;
mod progress;
mod stamp;
mod workspace;

mod debian;

mod browser;
mod cluster;
mod document;
mod node;
mod python;
mod rust;
mod server;

mod verbs;

use std::process::ExitCode;

use arguments::Arguments;
use error::TaskError;
use workspace::Workspace;

fn main() -> ExitCode {
    process::stop_children_on_signal();
    let mut words = std::env::args().skip(1);
    let verb = words.next().unwrap_or_else(|| "help".to_owned());
    match dispatch(&verb, Arguments::new(words)) {
        Ok(()) => ExitCode::SUCCESS,
        // The summary above says it all, and its last line is for machines.
        Err(TaskError::StepsFailed { .. }) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("\nerror: {error}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(verb: &str, arguments: Arguments) -> Result<(), TaskError> {
    if matches!(verb, "help" | "--help" | "-h") {
        print!("{}", verbs::help::TEXT);
        return Ok(());
    }
    let workspace = Workspace::find()?;
    match verb {
        "demo" => verbs::demo::run(&workspace, arguments),
        "test" => verbs::test::run(&workspace, arguments),
        "wasm" => verbs::wasm::run(&workspace, arguments),
        "conformance" => verbs::conformance::run(&workspace, arguments),
        "fuzz" => verbs::fuzz::run(&workspace, arguments),
        "bench" => verbs::bench::run(&workspace, arguments),
        "vectors" => verbs::vectors::run(&workspace, arguments),
        "packaging" => verbs::packaging::run(&workspace, arguments),
        "models" => verbs::models::run(&workspace, arguments),
        "static" => verbs::standalone::run(&workspace, arguments),
        "cluster" => verbs::endurance::cluster(&workspace, arguments),
        "crash" => verbs::endurance::crash(&workspace, arguments),
        "worker" => verbs::worker::run(&workspace, arguments),
        "load" => verbs::endurance::load(&workspace, arguments),
        other => Err(TaskError::UnknownVerb { verb: other.to_owned() }),
    }
}
