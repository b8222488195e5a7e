//! Tests of a server that runs for long: `endurance crash` kills it at random points and shows that
//! nothing was lost, `endurance load` measures it, `endurance nodes` kills one of two that share a store,
//! `endurance outage` takes their object store away, `endurance database` their database, `endurance power` the
//! power. All start the real binary on a loopback address, are bounded, and end what they started.

mod proxy;
mod random;

mod client;
mod server;
mod trace;

mod memory;

mod crash;
mod load;
mod nodes;
mod outage;
mod power;

mod database;

use std::{error::Error, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(name = "endurance")]
struct Arguments {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

/// What is tested, and where.
#[derive(Args)]
pub(crate) struct Place {
    /// The server's program.
    #[arg(long, value_name = "FILE")]
    server: PathBuf,
    /// Directory of model packages.
    #[arg(long, value_name = "DIR")]
    models: PathBuf,
    /// Directory to work in; what is there already is deleted.
    #[arg(long, value_name = "DIR")]
    scratch: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Kill the server at random points under load.
    Crash(crash::Plan),
    /// Measure requests a second, latency and memory.
    Load(load::Plan),
    /// Kill one of two servers that share a store; the store's addresses are in the environment.
    Nodes(nodes::Plan),
    /// Let the power fail at any moment, as far as the store can tell; needs strace.
    Power(power::Plan),
    /// Cut a server off from its object store; the store's addresses are in the environment.
    Outage,
    /// Cut a server off from its database; the store's addresses are in the environment.
    Database,
}

fn main() -> ExitCode {
    let Arguments { place, command } = Arguments::parse();
    let done = prepare(&place).and_then(|()| match command {
        Command::Crash(plan) => crash::run(&place, &plan),
        Command::Load(plan) => load::run(&place, &plan),
        Command::Nodes(plan) => nodes::run(&place, &plan),
        Command::Power(plan) => power::run(&place, &plan),
        Command::Outage => outage::run(&place),
        Command::Database => database::run(&place),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("endurance: {error}");
            ExitCode::FAILURE
        }
    }
}

fn prepare(place: &Place) -> Result<(), Box<dyn Error>> {
    let _ = std::fs::remove_dir_all(&place.scratch);
    Ok(std::fs::create_dir_all(&place.scratch)?)
}
