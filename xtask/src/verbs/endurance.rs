//! `cargo xtask crash` and `cargo xtask load`: the server killed and loaded, by the package of
//! `tests/endurance`.

use std::process::Command;
use std::thread::available_parallelism;

use crate::arguments::Arguments;
use crate::cluster::Cluster;
use crate::error::TaskError;
use crate::progress::{Progress, not_tested};
use crate::workspace::Workspace;
use crate::{debian, document, process, server};

const PACKAGE: &str = "endurance-tests";
const PROGRAM: &str = "endurance";
/// Kills in `cargo xtask test`, and in `cargo xtask crash` if not said otherwise.
const SHORT: &str = "20";
const LONG: &str = "300";
const STRACE_HINT: &str = "Debian, Ubuntu: `apt-get install strace`, Linux with ptrace.";

/// Kills the server often, lets the power fail, and rewrites what `docs/operating.md` says of it.
pub(crate) fn crash(workspace: &Workspace, mut arguments: Arguments) -> Result<(), TaskError> {
    let kills = arguments.value("--kills", "a number")?.unwrap_or_else(|| LONG.to_owned());
    let seed = arguments.value("--seed", "a number")?.unwrap_or_else(|| "1".to_owned());
    arguments.finish()?;
    let mut progress = Progress::new(4);
    progress.step("Build the server and its test", || build(workspace))?;
    let killed = progress.step("Kill the server under load", || {
        process::capture(program(workspace).args(["crash", "--kills", &kills, "--seed", &seed]))
    })?;
    let failed = progress.step("Let the power fail", || {
        if !has_strace("a power failure at any moment") {
            return Ok(String::new());
        }
        process::capture(program(workspace).args(["power", "--failures", &kills, "--seed", &seed]))
    })?;
    progress.step("Rewrite the lines of docs/operating.md", || {
        let text = format!("{}\n{}", killed, failed.trim_start());
        print!("\n{text}\n");
        document::rewrite(&workspace.path("docs/operating.md"), "crash", &text)
    })
}

/// Kills the server a few times, and lets the power fail; it has been built.
pub(crate) fn short_crash(workspace: &Workspace) -> Result<(), TaskError> {
    build_program(workspace)?;
    process::run(program(workspace).args(["crash", "--kills", SHORT]))?;
    if !has_strace("a power failure at any moment") {
        return Ok(());
    }
    process::run(program(workspace).args(["power", "--jobs", "40", "--failures", "60"]))
}

/// Tells whether `strace` works here; installs Debian's when there is none and this user may. Some containers
/// have it and do not let it trace.
fn has_strace(what: &str) -> bool {
    let works = || process::capture(Command::new("strace").args(["-o", "/dev/null", "true"])).is_ok();
    if works() {
        return true;
    }
    // What it cannot do is said below.
    let _ = debian::install_if_allowed("strace");
    let works = works();
    if !works {
        not_tested(&format!("{what}. strace is missing or may not trace. {STRACE_HINT}"));
    }
    works
}

/// Measures the server and rewrites the table of `docs/operating.md`.
pub(crate) fn load(workspace: &Workspace, arguments: Arguments) -> Result<(), TaskError> {
    arguments.finish()?;
    measure_load(workspace)
}

/// What [`load`] does.
pub(crate) fn measure_load(workspace: &Workspace) -> Result<(), TaskError> {
    let mut progress = Progress::new(3);
    progress.step("Build the server and its clients", || build(workspace))?;
    let table = progress.step("Load the server", || process::capture(program(workspace).arg("load")))?;
    progress.step("Rewrite the table of docs/operating.md", || {
        let cores = available_parallelism().map_or(1, std::num::NonZero::get);
        let machine =
            format!("{} cores, shared by server and clients. Processor: {}.", cores, document::processor());
        let text = format!("{machine}\n\n{table}");
        print!("\n{text}\n");
        document::rewrite(&workspace.path("docs/operating.md"), "load", &text)
    })
}

/// Tests the store that servers share, then two servers on it.
pub(crate) fn cluster(workspace: &Workspace, arguments: Arguments) -> Result<(), TaskError> {
    arguments.finish()?;
    let mut progress = Progress::new(3);
    progress.step("Test the store", || cluster_store(workspace))?;
    progress.step("Build the server with a shared store", || {
        let package = ["--package", "edge-server-native", "--all-features"];
        process::run(workspace.cargo().args(["build", "--release"]).args(package))?;
        build_program(workspace)
    })?;
    progress.step("Kill one of two servers; take their object store and their database away", || {
        let Some(cluster) = Cluster::start(workspace, "two servers on one store")? else { return Ok(()) };
        let mut text = String::new();
        for test in ["nodes", "outage", "database"] {
            text += &process::capture(cluster.told(program(workspace).arg(test)))?;
            text += "\n";
        }
        let text = text.trim_end().to_owned() + "\n";
        print!("\n{text}");
        document::rewrite(&workspace.path("docs/operating.md"), "cluster", &text)
    })
}

/// Runs the suite of stores on a real PostgreSQL and a real object store.
pub(crate) fn cluster_store(workspace: &Workspace) -> Result<(), TaskError> {
    let Some(cluster) = Cluster::start(workspace, "the store that servers share")? else { return Ok(()) };
    let mut command = workspace.cargo();
    command.args(["test", "--package", "edge-server-native", "--all-features", "--lib"]);
    process::run(cluster.told(command.args(["cluster", "--", "--ignored"])))
}

fn build(workspace: &Workspace) -> Result<(), TaskError> {
    server::build(workspace)?;
    build_program(workspace)
}

fn build_program(workspace: &Workspace) -> Result<(), TaskError> {
    process::run(workspace.cargo().args(["build", "--release", "--package", PACKAGE]))
}

fn program(workspace: &Workspace) -> Command {
    let name = format!("{PROGRAM}{}", std::env::consts::EXE_SUFFIX);
    let mut command = Command::new(workspace.target("release").join(name));
    command.arg("--server").arg(server::program(workspace));
    command.arg("--models").arg(workspace.path("models"));
    command.arg("--scratch").arg(workspace.target("endurance"));
    command
}
