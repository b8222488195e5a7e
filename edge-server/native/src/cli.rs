//! The command line.

use std::{
    error::Error,
    fs::File,
    io::IsTerminal,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, CommandFactory, Parser, Subcommand};
use edge_server::{Access, Registry, store::Store};
use tracing_subscriber::EnvFilter;

use crate::{
    config::{config, options},
    inspect::inspect,
    options::{Layer, LogFormat, Options},
    output::print,
    server::{Config, Server},
    source::{blamed, name_of},
    store::SqliteStore,
    tokens::{self, TokenCommand},
    traces::Traces,
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
    /// still wait run at the next start. Settings come from a file, from the environment and from
    /// flags; the later one wins.
    #[command(
        after_long_help = "Example:\n  edge-server serve --models models --data data --listen 127.0.0.1:8080"
    )]
    Serve(Box<Serve>),
    /// Say what a model package is: parameters, security level, keys, sizes.
    #[command(after_long_help = "Example:\n  edge-server inspect models/mnist_mlp/package")]
    Inspect {
        /// Directory of the package, with its manifest.json; or a directory of packages.
        #[arg(value_name = "PACKAGE_DIR")]
        package: PathBuf,
    },
    /// Make, list and revoke the tokens that callers present.
    #[command(
        after_long_help = "Example:\n  edge-server token --data data create --tenant alice --expires 90"
    )]
    Token {
        #[command(flatten)]
        store: StoreOptions,
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Copy jobs, keys, results and tokens, as of one moment, to a new file; the server may run.
    #[command(after_long_help = "Example:\n  edge-server backup --data data /backups/today.sqlite")]
    Backup {
        #[command(flatten)]
        store: StoreOptions,
        /// The file to write; it must not exist.
        #[arg(value_name = "FILE")]
        to: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Serve {
    /// File with settings, in TOML: each flag's name is a key.
    #[arg(long, value_name = "FILE", env = "EDGE_SERVER_CONFIG")]
    config: Option<PathBuf>,
    /// Check settings and model packages, and do nothing else.
    #[arg(long)]
    check_config: bool,
    /// Print all settings as they would be used, and do nothing else. Tokens and passwords are left out.
    #[arg(long)]
    print_config: bool,
    #[command(flatten)]
    layer: Layer,
}

/// Where the store is.
#[derive(Debug, Args)]
struct StoreOptions {
    /// Directory of the store.
    #[arg(long, value_name = "DIR", env = "EDGE_SERVER_DATA", default_value = "data")]
    data: PathBuf,
    /// The database instead, if several servers share it.
    #[arg(
        long,
        value_name = "URL",
        env = "EDGE_SERVER_POSTGRES",
        requires = "objects",
        hide_env_values = true
    )]
    postgres: Option<String>,
    /// The object store beside the database.
    #[arg(long, value_name = "URL", env = "EDGE_SERVER_OBJECTS", requires = "postgres")]
    objects: Option<String>,
}

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Arguments::try_parse().unwrap_or_else(|error| blamed(error, Arguments::command()).exit());
    let done = match arguments.command {
        Command::Serve(arguments) => serve(*arguments),
        Command::Inspect { package } => inspect(&package),
        Command::Token { store: StoreOptions { postgres: Some(postgres), objects, .. }, command } => {
            block_on(shared::run_token(command, &postgres, objects.as_deref().unwrap_or_default()))
        }
        Command::Token { store, command } => block_on(async {
            let open = match command {
                TokenCommand::Create { .. } => SqliteStore::attach_or_make,
                TokenCommand::List | TokenCommand::Revoke { .. } => SqliteStore::attach,
            };
            tokens::run(command, &open(&store.data)?).await
        }),
        Command::Backup { store: StoreOptions { postgres: Some(_), .. }, .. } => {
            Err("a shared store is backed up with the tools of its database and object store".into())
        }
        Command::Backup { store, to } => {
            block_on(async {
                let store = SqliteStore::attach(&store.data)?;
                // Before it is written, so that nobody else can read any of it.
                make_private(&to).map_err(|error| format!("{}: {error}", to.display()))?;
                store.back_up(to.clone()).await.map_err(|error| {
                    // What is not whole is no backup.
                    let _ = std::fs::remove_file(&to);
                    error.into()
                })
            })
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("edge-server: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Makes an empty file that only its owner may read.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.write(true).create_new(true).open(path).map(drop)
}

/// Threads for reading the store and for checking what callers send. More of them would only wait for each
/// other, and each keeps memory of its own.
const BLOCKING_THREADS: usize = 8;

fn block_on(work: impl Future<Output = Result<(), Box<dyn Error>>>) -> Result<(), Box<dyn Error>> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.max_blocking_threads(BLOCKING_THREADS).enable_all().build()?.block_on(work)
}

fn serve(arguments: Serve) -> Result<(), Box<dyn Error>> {
    let Serve { config: file, check_config, print_config, layer } = arguments;
    let options = options(file.as_deref(), layer)?;
    if print_config {
        let printed = toml::to_string(&options.without_secrets())?;
        return Ok(print(format_args!("{printed}"))?);
    }
    let filter = EnvFilter::try_new(&options.log).map_err(|error| format!("{}: {error}", name_of("log")))?;
    let mut config = config(&options)?;
    if check_config {
        let registry = Registry::load(config.packages)?;
        let count = registry.models().count();
        return Ok(print(format_args!("settings and {count} model packages are right\n"))?);
    }
    start_log(filter, options.log_format);
    if config.settings.traces.is_some() {
        config.traces = Some(Traces::start(&options.traces)?);
    }
    if matches!(config.settings.access, Access::Open) {
        tracing::warn!("everybody may call, all as one tenant; leave --open out to demand tokens");
    }
    let models: Vec<String> = config.packages.iter().map(|files| files.origin.clone()).collect();
    block_on(async {
        // Before the signal can come.
        let stop = stop_signal()?;
        if options.postgres.is_empty() {
            let store = SqliteStore::open(&options.data)?;
            return run_server(config, store, &models, stop, |_| ()).await;
        }
        shared::serve(config, &options, &models, stop).await
    })
}

/// Runs a server until it is to stop; `started` is told of it.
async fn run_server<S: Store + Clone + 'static>(
    config: Config,
    store: S,
    models: &[String],
    stop: impl Future<Output = ()>,
    started: impl FnOnce(&Server<S>),
) -> Result<(), Box<dyn Error>> {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let server = Server::start(config, store).await?;
    started(&server);
    tracing::info!(?models, "every package is right");
    print(format_args!("listening on {scheme}://{}\n", server.address()))?;
    if let Some(address) = server.admin_address() {
        print(format_args!("metrics on http://{address}/metrics\n"))?;
    }
    stop.await;
    tracing::info!("stopping");
    server.stop().await;
    Ok(())
}

/// A store that several servers share.
#[cfg(feature = "cluster")]
mod shared {
    use edge_server::{
        KeyHolding, Model,
        port::{Executor, Host},
    };

    use super::{Config, Error, Options, TokenCommand, run_server, tokens};
    use crate::cluster::{ClusterStore, Notice};

    pub(super) async fn serve(
        config: Config,
        options: &Options,
        models: &[String],
        stop: impl Future<Output = ()>,
    ) -> Result<(), Box<dyn Error>> {
        let store = ClusterStore::open(&options.postgres, &options.objects).await?;
        run_server(config, store.clone(), models, stop, |server| {
            let service = server.service().clone();
            let one_at_a_time = |model: &Model| model.holding().keys == KeyHolding::OneAtATime;
            if service.registry().models().any(one_at_a_time)
                && let Err(error) = store.check_disk()
            {
                tracing::warn!(%error, "jobs of models whose keys come one at a time cannot run");
            }
            drop(store.listen(move |notice| match notice {
                Notice::Queued => service.host().executor().wake(),
                Notice::Finished(job) => service.announce(job),
            }));
        })
        .await
    }

    pub(super) async fn run_token(
        command: TokenCommand,
        postgres: &str,
        objects: &str,
    ) -> Result<(), Box<dyn Error>> {
        tokens::run(command, &ClusterStore::open(postgres, objects).await?).await
    }
}

/// What there is of it in a server that was built without.
#[cfg(not(feature = "cluster"))]
mod shared {
    use super::{Config, Error, Options, TokenCommand};

    const MISSING: &str = "this server was built without a shared store; build it with --features cluster";

    pub(super) async fn serve(
        _: Config,
        _: &Options,
        _: &[String],
        _: impl Future<Output = ()>,
    ) -> Result<(), Box<dyn Error>> {
        Err(MISSING.into())
    }

    pub(super) async fn run_token(_: TokenCommand, _: &str, _: &str) -> Result<(), Box<dyn Error>> {
        Err(MISSING.into())
    }
}

fn start_log(filter: EnvFilter, format: LogFormat) {
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().init(),
    }
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
    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
