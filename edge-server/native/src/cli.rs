//! The command line.

use std::{
    error::Error,
    io::{IsTerminal, Write},
    net::SocketAddr,
    num::NonZeroUsize,
    path::PathBuf,
    process::ExitCode,
    thread::available_parallelism,
    time::Duration,
};

use clap::{Args, Parser, Subcommand};
use edge_server::{Access, Origins, Settings, Token};
use tracing_subscriber::EnvFilter;

use crate::{
    executor::ExecutorSettings,
    inspect,
    packages::read_packages,
    server::{Config, Server},
};

/// Serves machine-learning models on data that it cannot read.
///
/// Clients encrypt their input with a key that never leaves them; this server evaluates a model on
/// the ciphertext and returns a ciphertext that only the client can decrypt.
#[derive(Debug, Parser)]
#[command(name = "edge-server", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the models of a directory over HTTP.
    ///
    /// Every package is checked before the server listens; one bad package and it does not start.
    /// Ctrl-C or SIGTERM stops it: open requests and running evaluations end, and accepted jobs that
    /// still wait run at the next start.
    #[command(
        after_long_help = "Example:\n  edge-server serve --models models --data data --listen 127.0.0.1:8080"
    )]
    Serve(Serve),
    /// Say what a model package is: parameters, security level, keys, sizes.
    #[command(after_long_help = "Example:\n  edge-server inspect models/mnist_mlp/package")]
    Inspect {
        /// Directory of the package, with its manifest.json; or a directory of packages.
        #[arg(value_name = "PACKAGE_DIR")]
        package: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Serve {
    /// Directory of model packages: each sub-directory with a manifest.json, itself or in `package`.
    #[arg(long, value_name = "DIR")]
    models: PathBuf,
    /// Directory for jobs, keys and results; made if it does not exist.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Directory of a web page to serve from the same origin.
    #[arg(long = "static", value_name = "DIR")]
    assets: Option<PathBuf>,
    /// Bearer token that callers must present; repeat it for several, each a tenant of its own.
    /// Without any, everybody may call.
    #[arg(
        long = "token",
        value_name = "TOKEN",
        env = "EDGE_SERVER_TOKENS",
        value_delimiter = ',',
        hide_env_values = true
    )]
    tokens: Vec<String>,
    /// Web origin whose pages may call, such as https://example.org; repeat it for several.
    /// Without any, all may.
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<String>,
    /// Threads that evaluate; as many as the machine has cores if not set.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Jobs that may wait; further ones are refused with 503 and Retry-After.
    #[arg(long, value_name = "N", default_value_t = 64)]
    queue: usize,
    /// Memory for prepared evaluation keys, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    key_cache: usize,
    /// Longest wait, in seconds, that `Prefer: wait` gets.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    max_wait: u64,
    /// What to log, as in `info` or `edge_server=debug`.
    #[arg(long, value_name = "FILTER", env = "EDGE_SERVER_LOG", default_value = "info")]
    log: String,
}

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Serve(arguments) => serve(arguments),
        Command::Inspect { package } => inspect::print(&package),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("edge-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(arguments: Serve) -> Result<(), Box<dyn Error>> {
    let filter = EnvFilter::try_new(&arguments.log).map_err(|error| format!("--log: {error}"))?;
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let config = config(arguments)?;
        let models: Vec<String> = config.packages.iter().map(|files| files.origin.clone()).collect();
        // Before the signal can come.
        let stop = stop_signal()?;
        let server = Server::start(config).await?;
        tracing::info!(?models, "every package is right");
        println!("listening on http://{}", server.address());
        std::io::stdout().flush()?;
        stop.await;
        tracing::info!("stopping");
        server.stop().await;
        Ok(())
    })
}

fn config(arguments: Serve) -> Result<Config, Box<dyn Error>> {
    let Serve { models, data, listen, assets, tokens, origins, threads, queue, key_cache, max_wait, log: _ } =
        arguments;
    if let Some(directory) = assets.as_ref().filter(|directory| !directory.is_dir()) {
        return Err(format!("--static: {} is not a directory", directory.display()).into());
    }
    let access = if tokens.is_empty() {
        Access::Open
    } else {
        Access::Tokens(tokens.iter().map(|token| Token::new(token)).collect())
    };
    let origins = if origins.is_empty() { Origins::Any } else { Origins::Only(origins) };
    let settings = Settings {
        access,
        origins,
        max_wait: Duration::from_secs(max_wait),
        key_cache_bytes: key_cache.saturating_mul(1 << 20),
    };
    let threads = threads.unwrap_or_else(|| available_parallelism().unwrap_or(NonZeroUsize::MIN));
    let executor = ExecutorSettings { threads, queue };
    Ok(Config { packages: read_packages(&models)?, data, listen, assets, settings, executor })
}

/// Completes on Ctrl-C or SIGTERM.
#[cfg(unix)]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Completes on Ctrl-C.
#[cfg(not(unix))]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
