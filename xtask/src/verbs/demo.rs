//! `cargo xtask demo`: from a fresh clone to a page in the browser.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::arguments::Arguments;
use crate::error::TaskError;
use crate::process::{self, Running};
use crate::progress::{Progress, note};
use crate::verbs::wasm;
use crate::workspace::Workspace;

const FIRST_PORT: u16 = 8080;
const PORTS_TRIED: u16 = 20;
const START_LIMIT: Duration = Duration::from_secs(60);

/// Builds everything, serves it, and stays until Ctrl-C.
pub(crate) fn run(workspace: &Workspace, mut arguments: Arguments) -> Result<(), TaskError> {
    let wanted = wanted_port(&mut arguments)?;
    let data = arguments.value("--data", "a directory")?.map(PathBuf::from);
    arguments.finish()?;
    let data = data.unwrap_or_else(|| workspace.target("demo"));
    // Looked at before the long build, so that nobody waits for a port that is taken.
    let port = free_port(wanted)?;

    let mut progress = Progress::new(wasm::STEPS + 2);
    wasm::build(workspace, &mut progress)?;
    progress.step("Build the server", || build_server(workspace))?;
    let server = progress.step("Start the server", || {
        let server = start_server(workspace, port, &data)?;
        wait_until_ready(&server, port)?;
        Ok(server)
    })?;

    println!("\n  Open http://localhost:{port}/");
    println!("  Keys, jobs and results are kept in {}.", data.display());
    println!("  Ctrl-C stops the server.\n");
    server.wait()
}

fn wanted_port(arguments: &mut Arguments) -> Result<Option<u16>, TaskError> {
    const EXPECTED: &str = "a port number from 1 to 65535";
    let Some(text) = arguments.value("--port", EXPECTED)? else {
        return Ok(None);
    };
    match text.parse() {
        Ok(port) if port > 0 => Ok(Some(port)),
        _ => Err(TaskError::BadValue { option: "--port", expected: EXPECTED }),
    }
}

/// Checks the port wanted, or finds one.
fn free_port(wanted: Option<u16>) -> Result<u16, TaskError> {
    if let Some(port) = wanted {
        return if is_free(port) { Ok(port) } else { Err(TaskError::PortTaken { port }) };
    }
    let found = (FIRST_PORT..FIRST_PORT + PORTS_TRIED).find(|port| is_free(*port));
    let port = found.ok_or(TaskError::PortTaken { port: FIRST_PORT })?;
    if port != FIRST_PORT {
        note(&format!("port {FIRST_PORT} is taken by another program; using {port}"));
    }
    Ok(port)
}

/// Tells whether a server could listen there; other errors than "in use" are the server's to tell.
fn is_free(port: u16) -> bool {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => true,
        Err(error) => error.kind() != ErrorKind::AddrInUse,
    }
}

/// Builds the server in release mode.
pub(crate) fn build_server(workspace: &Workspace) -> Result<(), TaskError> {
    process::run(workspace.cargo().args([
        "build",
        "--release",
        "--package",
        "edge-server-native",
        "--bin",
        "edge-server",
    ]))
}

/// Where [`build_server`] leaves the server.
pub(crate) fn server_program(workspace: &Workspace) -> PathBuf {
    workspace.target("release").join(format!("edge-server{}", std::env::consts::EXE_SUFFIX))
}

fn start_server(workspace: &Workspace, port: u16, data: &Path) -> Result<Running, TaskError> {
    process::start(
        Command::new(server_program(workspace))
            .arg("serve")
            .arg("--models")
            .arg(workspace.path("models"))
            .arg("--static")
            .arg(workspace.path("dist/www"))
            .arg("--data")
            .arg(data)
            .args(["--listen", &format!("127.0.0.1:{port}")]),
    )
}

fn wait_until_ready(server: &Running, port: u16) -> Result<(), TaskError> {
    let begun = Instant::now();
    while begun.elapsed() < START_LIMIT {
        if server.ended()?.is_some() {
            return server.wait();
        }
        if is_healthy(port).is_ok_and(|healthy| healthy) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(50));
    }
    Err(TaskError::NotReady {
        address: format!("http://localhost:{port}/health"),
        seconds: START_LIMIT.as_secs(),
    })
}

/// Asks `GET /health` with as much HTTP as that takes.
fn is_healthy(port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    Ok(answer.starts_with(b"HTTP/1.") && answer.ends_with(b" 200"))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::{free_port, is_healthy};
    use crate::error::TaskError;

    #[test]
    fn taken_port_is_told_before_anything_is_built() {
        let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)) else {
            return;
        };
        let Ok(address) = listener.local_addr() else {
            return;
        };
        let port = address.port();
        assert!(matches!(free_port(Some(port)), Err(TaskError::PortTaken { port: told }) if told == port));
    }

    #[test]
    fn nothing_listening_is_not_healthy() {
        // The discard port: nothing answers HTTP there.
        assert!(!is_healthy(9).unwrap_or(false));
    }
}
