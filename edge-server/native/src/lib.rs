//! The encrypted-inference server as a native binary: HTTP by axum on tokio, storage in SQLite,
//! evaluation on threads of its own. Contains no rules and no error codes; those are in
//! `edge-server`.

// the ports
mod clock;
mod executor;
mod packages;
mod store;

// the server
mod assets;
mod server;

// the command line
mod inspect;

mod cli;

pub use cli::run;
pub use executor::{ExecutorSettings, QueueExecutor};
pub use packages::{PackagesError, read_package, read_packages};
pub use server::{Config, NativeHost, Server, StartError};
pub use store::{OpenError, SqliteStore};
