//! The native server: built in release mode, started on a free port, asked whether it is ready.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::TaskError;
use crate::process::{self, Running};
use crate::progress::note;
use crate::workspace::Workspace;

const FIRST_PORT: u16 = 8080;
const PORTS_TRIED: u16 = 20;
const START_LIMIT: Duration = Duration::from_secs(60);

/// Checks the port wanted, or finds one.
pub(crate) fn free_port(wanted: Option<u16>) -> Result<u16, TaskError> {
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
pub(crate) fn build(workspace: &Workspace) -> Result<(), TaskError> {
    process::run(workspace.cargo().args([
        "build",
        "--release",
        "--package",
        "edge-server-native",
        "--bin",
        "edge-server",
    ]))
}

/// Where [`build`] leaves the server.
pub(crate) fn program(workspace: &Workspace) -> PathBuf {
    workspace.target("release").join(format!("edge-server{}", std::env::consts::EXE_SUFFIX))
}

/// Starts the server with the shipped models, and a page if there is one, and waits until it answers.
pub(crate) fn start(
    workspace: &Workspace,
    port: u16,
    data: &Path,
    page: Option<&Path>,
) -> Result<Running, TaskError> {
    let mut command = Command::new(program(workspace));
    command
        .args(["serve", "--open", "--origin", "*", "--models"])
        .arg(workspace.path("models"))
        .arg("--data")
        .arg(data);
    command.args(["--listen", &format!("127.0.0.1:{port}")]);
    if let Some(page) = page {
        command.arg("--static").arg(page);
    }
    let server = process::start(&mut command)?;
    wait_until_ready(&server, port)?;
    Ok(server)
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
