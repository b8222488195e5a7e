//! What `cargo xtask test` checks, in order: cheap and telling first, what needs earlier results last.
//!
//! Rust code is compiled three times and no more: for lints (metadata only), in the `dev` profile for tests
//! (where the workspace's manifest optimises the ring), and in the `release` profile for the server that the
//! end-to-end tests start. For WebAssembly the core is compiled once more for its tests, the client once as shipped.

use std::fs;
use std::process::Command;

use super::deployment;
use crate::browser::CHROMIUM;
use crate::error::TaskError;
use crate::progress::{Progress, not_tested, note};
use crate::verbs::{endurance, instructions, packaging, wasm, worker};
use crate::workspace::Workspace;
use crate::{node, process, python, rust, server};

/// One line of the summary.
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) needs_browser: bool,
    /// Checks that must run before it.
    pub(super) needs: &'static [&'static str],
    pub(super) run: fn(&Workspace) -> Result<(), TaskError>,
}

impl Check {
    const fn after(mut self, needs: &'static [&'static str]) -> Self {
        self.needs = needs;
        self
    }
}

const fn check(
    name: &'static str,
    title: &'static str,
    run: fn(&Workspace) -> Result<(), TaskError>,
) -> Check {
    Check { name, title, needs_browser: false, needs: &[], run }
}

/// All checks.
pub(super) const CHECKS: &[Check] = &[
    check("format", "cargo fmt --check", format),
    check("lint", "clippy without warnings, natively and for WebAssembly", lint),
    check("docs", "the documentation builds without warnings", docs),
    check("bare-metal", "core builds without a standard library", bare_metal),
    check("neon", "core compiles for 64-bit ARM; its kernels run there, emulated", neon),
    check("rust", "unit, law, twin, vector, conformance and adversarial tests", rust_tests),
    check("orders", "threads that share an evaluation, in every order of their steps", orders),
    check("reader", "an independent reader in Python recomputes and decrypts the vectors", read_vectors),
    check("wasm", "client, npm package and page build", build_client),
    check("wasm-core", "core tests and exact vectors in WebAssembly", wasm_core),
    check("npm", "unit tests of the npm package in Node", npm_tests).after(&["wasm"]),
    check("server", "the server builds in release mode", server::build),
    check(
        "instructions",
        "the core's operations take no more instructions than committed",
        instructions::check,
    ),
    check("traces", "the server's spans reach a collector, which may be down", traces),
    check(
        "cluster",
        "the store that servers share, on PostgreSQL and an object store",
        endurance::cluster_store,
    ),
    check(
        "crash",
        "the server killed 20 times under load, and without power at any moment, loses nothing",
        endurance::short_crash,
    ),
    check("deployment", "systemd and Kubernetes understand what is in deploy/", deployment::check),
    check("contract", "schemathesis drives the server by openapi.yaml", contract),
    check("packed", "the packed npm package installs into a fresh project and predicts", packaging::core)
        .after(&["wasm"]),
    check("worker", "the Worker in workerd: conformance, restarts, memory, predictions", worker::test)
        .after(&["wasm"]),
    check("node", "end to end from Node", node_tests).after(&["wasm", "server"]),
    Check {
        name: "browser",
        title: "end to end from a real Chromium",
        needs_browser: true,
        needs: &["wasm", "server"],
        run: browser_tests,
    },
    Check {
        name: "worker-page",
        title: "the page against the Worker, from a real Chromium",
        needs_browser: true,
        needs: &["wasm", "worker"],
        run: worker_page_tests,
    },
];

fn format(workspace: &Workspace) -> Result<(), TaskError> {
    process::run(workspace.cargo().args(["fmt", "--all", "--check"]))
}

fn lint(workspace: &Workspace) -> Result<(), TaskError> {
    // The server's features are not in the workspace's build, which is that of most people.
    for what in [["--workspace", "--all-targets"].as_slice(), &WHOLE_SERVER] {
        process::run(workspace.cargo().arg("clippy").args(what).args(["--", "--deny", "warnings"]))?;
    }
    rust::require_target(workspace, rust::WASM)?;
    process::run(wasm::cargo(workspace, "clippy").args([
        "--package",
        "ckks-core",
        "--package",
        "client-wasm",
        "--package",
        "edge-server-worker",
        "--",
        "--deny",
        "warnings",
    ]))
}

/// The server with everything that it can be built with.
const WHOLE_SERVER: [&str; 4] = ["--package", "edge-server-native", "--all-features", "--all-targets"];

fn traces(workspace: &Workspace) -> Result<(), TaskError> {
    let package = ["--package", "edge-server-native", "--all-features", "--lib", "--test", "host"];
    process::run(workspace.cargo().arg("test").args(package).args(["--", "traces", "config::"]))
}

fn docs(workspace: &Workspace) -> Result<(), TaskError> {
    process::run(workspace.cargo().env("RUSTDOCFLAGS", "--deny warnings").args([
        "doc",
        "--workspace",
        "--no-deps",
    ]))
}

fn bare_metal(workspace: &Workspace) -> Result<(), TaskError> {
    rust::require_target(workspace, rust::BARE_METAL)?;
    process::run(workspace.cargo().args([
        "build",
        "--package",
        "ckks-core",
        "--no-default-features",
        "--target",
        rust::BARE_METAL,
    ]))
}

/// Runs the kernels' tests under qemu where it is installed, and compiles them in any case.
fn neon(workspace: &Workspace) -> Result<(), TaskError> {
    rust::require_target(workspace, rust::ARM)?;
    let emulator = process::capture(Command::new("qemu-aarch64").arg("--version")).is_ok();
    let settings = ["linker='rust-lld'", "runner='qemu-aarch64'"];
    let mut cargo = workspace.cargo();
    for setting in settings {
        cargo.args(["--config", &format!("target.{}.{setting}", rust::ARM)]);
    }
    cargo.args(["test", "--package", "ckks-core", "--lib", "--target", rust::ARM]);
    if emulator {
        return process::run(cargo.args([
            "--",
            "ring::",
            "key_stream::",
            "scheme::embedding::",
            "scheme::sampling::",
        ]));
    }
    not_tested(
        "the kernels on 64-bit ARM, only compiled. qemu-aarch64 is missing (Debian: `apt-get install qemu-user`)",
    );
    process::run(cargo.arg("--no-run"))
}

fn rust_tests(workspace: &Workspace) -> Result<(), TaskError> {
    // The bindings generator has no tests, and its dependencies are compiled by the step that needs it.
    let packages = ["--workspace", "--exclude", "wasm-bindings"];
    let tested = process::run(workspace.cargo().args(["test", "--no-fail-fast"]).args(packages));
    if let Ok(counts) = fs::read_to_string(workspace.target("tmp/hostile.txt")) {
        note(&format!("adversarial: {counts}"));
    }
    tested
}

/// Compiled for the model checker, apart from everything else.
fn orders(workspace: &Workspace) -> Result<(), TaskError> {
    let mut cargo = workspace.cargo();
    cargo.env("RUSTFLAGS", "--cfg loom").arg("test").arg("--target-dir").arg(workspace.target("loom"));
    process::run(cargo.args(["--package", "evaluation-team", "--lib"]))
}

fn read_vectors(workspace: &Workspace) -> Result<(), TaskError> {
    match python::find("the vectors by an independent reader")? {
        Some(python) => {
            process::run(Command::new(python).arg(workspace.path("tests/vectors/reader/check.py")))
        }
        None => Ok(()),
    }
}

fn build_client(workspace: &Workspace) -> Result<(), TaskError> {
    wasm::build(workspace, &mut Progress::new(wasm::STEPS))
}

/// Runs the core's own tests and the vectors' inside WebAssembly, with the lanes that browsers use.
fn wasm_core(workspace: &Workspace) -> Result<(), TaskError> {
    node::require()?;
    rust::require_target(workspace, rust::WASI)?;
    let program = workspace.path("xtask/npm/run-wasi.mjs");
    let runner = format!("target.{}.runner=['node', '--no-warnings', '{}']", rust::WASI, program.display());
    process::run(
        rust::with_simd(&mut workspace.cargo())
            .args(["test", "--config", &runner, "--tests", "--target", rust::WASI])
            .args(["--package", "ckks-core", "--package", "vector-tests"]),
    )
}

fn npm_tests(workspace: &Workspace) -> Result<(), TaskError> {
    node::require()?;
    process::run(&mut node::script(&workspace.path("client-wasm/js"), "test"))
}

/// Lets a property-based tester send what the description allows, and what it does not, links included.
fn contract(workspace: &Workspace) -> Result<(), TaskError> {
    let requirements = "tests/contract/requirements.txt";
    let Some(python) =
        python::environment(workspace, "contract", "the server by schemathesis", requirements)?
    else {
        return Ok(());
    };
    server::build(workspace)?;
    let port = server::free_port(None)?;
    let server = server::start(workspace, port, &workspace.target("xtask/contract"), None)?;
    let folder = workspace.path("tests/contract");
    let mut command = Command::new(python);
    // It keeps what it found in the folder it is started from.
    command.current_dir(workspace.target("xtask")).env("PYTHONPATH", &folder);
    command.env("SCHEMATHESIS_HOOKS", "hooks").env("PYTHONDONTWRITEBYTECODE", "1");
    command.args(["-m", "schemathesis.cli", "--config-file"]).arg(folder.join("schemathesis.toml"));
    command.arg("run").arg(workspace.path("openapi.yaml"));
    command.args(["--url", &format!("http://127.0.0.1:{port}"), "--checks", "all", "--warnings", "off"]);
    let tested = process::run(command.args(["--max-examples", "30", "--max-failures", "10"]));
    drop(server);
    tested
}

fn node_tests(workspace: &Workspace) -> Result<(), TaskError> {
    end_to_end(workspace, "test:node")
}

fn browser_tests(workspace: &Workspace) -> Result<(), TaskError> {
    end_to_end(workspace, "test:browser")
}

fn worker_page_tests(workspace: &Workspace) -> Result<(), TaskError> {
    end_to_end(workspace, "test:worker-page")
}

/// Runs a script of `tests/e2e`, which starts the server of the release profile itself, or the Worker.
fn end_to_end(workspace: &Workspace, script: &str) -> Result<(), TaskError> {
    node::require()?;
    node::install(workspace, "tests/e2e")?;
    let mut command = node::script(&workspace.path("tests/e2e"), script);
    command.env("EDGE_SERVER", server::program(workspace));
    if script == "test:worker-page" {
        command.env("EDGE_WORKER", "1");
    }
    if script != "test:node" {
        command.env(CHROMIUM.variable, CHROMIUM.require()?);
    }
    process::run(&mut command)
}
