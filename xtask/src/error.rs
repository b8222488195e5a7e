//! What can go wrong in a task, each with what to do about it.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// A task that could not do its work.
#[derive(Debug)]
pub(crate) enum TaskError {
    /// `cargo xtask <verb>` with a verb that does not exist.
    UnknownVerb { verb: String },
    /// An argument that the verb does not take.
    UnknownArgument { argument: String },
    /// An option that needs a value, without one or with one that cannot be read.
    BadValue { option: &'static str, expected: &'static str },
    /// A program or file that has to be there first.
    Missing { what: String, hint: String },
    /// A program that could not be started.
    Launch { program: String, source: io::Error },
    /// A program that ended with an error.
    Failed { command: String, status: String },
    /// A file that could not be read or written.
    File { path: PathBuf, source: io::Error },
    /// An answer of `cargo metadata` without the field looked for.
    Metadata { field: &'static str },
    /// A TCP port that something else listens on.
    PortTaken { port: u16 },
    /// A server that did not answer in time.
    NotReady { address: String, seconds: u64 },
    /// A line of a benchmark that is no measurement.
    Measurement { line: String },
    /// Operations that take more instructions than the committed counts allow.
    MoreInstructions { operations: usize, file: &'static str },
    /// A suite that ran to its end, with failures.
    StepsFailed { failed: usize },
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownVerb { verb } => {
                write!(f, "there is no verb `{verb}`; `cargo xtask help` lists them")
            }
            Self::UnknownArgument { argument } => {
                write!(f, "unknown argument `{argument}`; `cargo xtask help` lists them")
            }
            Self::BadValue { option, expected } => write!(f, "`{option}` needs {expected}"),
            Self::Missing { what, hint } => write!(f, "{what} is missing.\n  {hint}"),
            Self::Launch { program, source } => write!(f, "could not start `{program}`: {source}"),
            Self::Failed { command, status } => write!(f, "`{command}` ended with {status}"),
            Self::File { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Metadata { field } => write!(f, "`cargo metadata` did not tell `{field}`"),
            Self::PortTaken { port } => write!(
                f,
                "port {port} is taken by another program.\n  Choose another one with `--port N`, \
                 or leave the option out and a free one is found."
            ),
            Self::NotReady { address, seconds } => {
                write!(f, "{address} did not answer within {seconds} seconds")
            }
            Self::Measurement { line } => {
                write!(f, "the benchmark printed `{line}` where a measurement in JSON was expected")
            }
            Self::MoreInstructions { operations, file } => write!(
                f,
                "{operations} operations take more instructions than {file} says.\n  If that is meant, \
                 `cargo xtask bench instructions` rewrites it."
            ),
            Self::StepsFailed { failed } => write!(f, "{failed} steps failed"),
        }
    }
}

impl std::error::Error for TaskError {}
