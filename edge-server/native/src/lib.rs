//! The encrypted-inference server as a native binary: HTTP by hyper on tokio, storage in SQLite,
//! evaluation on threads of its own. Contains no rules and no error codes; those are in
//! `edge-server`.

// the ports
mod clock;
mod executor;
mod packages;
mod process;
mod store;

#[cfg(feature = "cluster")]
mod cluster;

// what leaves besides answers
#[cfg(not(feature = "traces"))]
#[path = "no_traces.rs"]
mod traces;
#[cfg(feature = "traces")]
mod traces;

// the server
mod assets;
mod tls;

mod transport;

mod server;

// the command line
mod options;
mod output;
mod source;

mod inspect;
mod tokens;

mod config;

mod cli;

pub use cli::run;
#[cfg(feature = "cluster")]
pub use cluster::{ClusterError, ClusterStore, Notice, SpooledKeys};
pub use executor::{Threads, Turn, Workers};
pub use options::{FileError, LogFormat};
pub use packages::{PackagesError, read_package, read_packages};
pub use server::{Config, NativeHost, Server, StartError};
pub use store::{OpenError, SetReader, SqliteStore};
pub use tls::{TlsError, TlsFiles};
pub use traces::Traces;
pub use transport::Patience;
