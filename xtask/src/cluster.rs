//! What servers share: a PostgreSQL and an S3-compatible object store, started for a test on loopback, and
//! ended with it.

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::debian::{self, is_root};
use crate::error::TaskError;
use crate::process::{self, Running};
use crate::progress::{not_tested, note};
use crate::python;
use crate::workspace::Workspace;

/// The object store: moto, from PyPI.
const MOTO: &str = "moto[s3,server]==5.2.5";
const BUCKET: &str = "edge-server";
/// Files of the database's TLS.
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";
const START_LIMIT: Duration = Duration::from_secs(60);
const HINT: &str =
    "Debian, Ubuntu: `apt-get install postgresql python3-venv`; elsewhere your system's packages.";

/// Both, running.
pub(crate) struct Cluster {
    _postgres: Running,
    _objects: Running,
    postgres_port: u16,
    objects_port: u16,
    folder: PathBuf,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Of no use to anybody, but not worth an error either.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Cluster {
    /// Starts both; nothing if they cannot be installed here, which is said then.
    pub(crate) fn start(workspace: &Workspace, what: &str) -> Result<Option<Self>, TaskError> {
        let (Some(programs), Some(moto)) = (postgres_programs(), moto(workspace, what)?) else {
            return left_out(what);
        };
        let folder = env::temp_dir().join(format!("edge-server-cluster-{}", std::process::id()));
        let failed = |source| TaskError::File { path: folder.clone(), source };
        fs::create_dir_all(&folder).map_err(failed)?;
        let (postgres_port, objects_port) = (free_port()?, free_port()?);
        let postgres = start_postgres(&programs, &folder, postgres_port)?;
        let log = fs::File::create(folder.join("moto.log")).map_err(failed)?;
        let mut command = Command::new(moto);
        command.args(["-H", "127.0.0.1", "-p", &objects_port.to_string()]).stdout(Stdio::null()).stderr(log);
        let objects = process::start(&mut command)?;
        wait(postgres_port, "PostgreSQL")?;
        wait(objects_port, "the object store")?;
        make_bucket(objects_port)?;
        Ok(Some(Self { _postgres: postgres, _objects: objects, postgres_port, objects_port, folder }))
    }

    /// Tells a command where both are: in its environment, under the names that the server reads.
    pub(crate) fn told<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env(
                "EDGE_SERVER_POSTGRES",
                format!("postgres://edge@127.0.0.1:{}/postgres?sslmode=require", self.postgres_port),
            )
            .env("SSL_CERT_FILE", self.folder.join(CERTIFICATE))
            .env("EDGE_SERVER_OBJECTS", format!("s3://{BUCKET}/test"))
            .env("AWS_ENDPOINT", format!("http://127.0.0.1:{}", self.objects_port))
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
    }
}

fn left_out<T>(what: &str) -> Result<Option<T>, TaskError> {
    if env::var_os("CI").is_some() {
        return Err(TaskError::Missing {
            what: "PostgreSQL, or moto from PyPI".to_owned(),
            hint: HINT.to_owned(),
        });
    }
    not_tested(&format!("{what}. PostgreSQL, or moto from PyPI, is missing. {HINT}"));
    Ok(None)
}

/// The directory of PostgreSQL's programs; installs Debian's when there is none and this user may.
fn postgres_programs() -> Option<PathBuf> {
    if let Some(found) = find_postgres() {
        return Some(found);
    }
    // What it cannot do is said below.
    let _ = debian::install_if_allowed("postgresql");
    find_postgres()
}

fn find_postgres() -> Option<PathBuf> {
    // Debian has each version in a folder of its own, and not on the path.
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    debian.sort();
    let on_path = env::var_os("PATH").map(|path| env::split_paths(&path).collect::<Vec<_>>());
    debian
        .into_iter()
        .rev()
        .chain(on_path.into_iter().flatten())
        .find(|folder| folder.join("initdb").exists())
}

/// A program of PostgreSQL, which root may not run itself.
fn postgres_program(programs: &Path, name: &str) -> Command {
    let program = programs.join(name);
    if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

fn start_postgres(programs: &Path, folder: &Path, port: u16) -> Result<Running, TaskError> {
    let data = folder.join("postgres");
    let failed = |source| TaskError::File { path: data.clone(), source };
    fs::create_dir_all(&data).map_err(failed)?;
    certificate(folder)?;
    if is_root() {
        let owned = [data.clone(), folder.join(CERTIFICATE), folder.join(KEY)];
        process::run(Command::new("chown").arg("postgres").args(owned))?;
    }
    let mut initdb = postgres_program(programs, "initdb");
    initdb.current_dir("/").arg("-D").arg(&data).args(["-U", "edge", "--auth=trust", "--encoding=UTF8"]);
    process::capture(&mut initdb)?;
    let log = fs::File::create(folder.join("postgres.log")).map_err(failed)?;
    let mut server = postgres_program(programs, "postgres");
    server.current_dir("/").arg("-D").arg(&data).args(["-p", &port.to_string()]);
    server.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "ssl=on"]);
    for (setting, file) in [("ssl_cert_file", CERTIFICATE), ("ssl_key_file", KEY)] {
        server.arg("-c").arg(format!("{setting}={}", folder.join(file).display()));
    }
    process::start(server.stdout(Stdio::null()).stderr(log))
}

/// Makes a certificate for the database, which vouches for itself.
fn certificate(folder: &Path) -> Result<(), TaskError> {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
    openssl.args(["-days", "2", "-subj", "/CN=edge-server-test"]);
    openssl.args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]);
    openssl.arg("-keyout").arg(folder.join(KEY)).arg("-out").arg(folder.join(CERTIFICATE));
    process::capture(&mut openssl).map(drop)
}

/// The object store's program, in an environment of its own.
fn moto(workspace: &Workspace, what: &str) -> Result<Option<PathBuf>, TaskError> {
    let folder = workspace.target("moto");
    let program = folder.join("bin/moto_server");
    if program.exists() {
        return Ok(Some(program));
    }
    let Some(python) = python::find(what)? else { return Ok(None) };
    note(&format!("pip install {MOTO}"));
    let made = process::run(Command::new(python).args(["-m", "venv"]).arg(&folder))
        .and_then(|()| process::run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", MOTO])));
    Ok(made.is_ok().then_some(program))
}

fn free_port() -> Result<u16, TaskError> {
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    address
        .map(|address| address.port())
        .map_err(|source| TaskError::Launch { program: "a listener".to_owned(), source })
}

fn wait(port: u16, name: &str) -> Result<(), TaskError> {
    let begun = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if begun.elapsed() > START_LIMIT {
            return Err(TaskError::NotReady { address: name.to_owned(), seconds: START_LIMIT.as_secs() });
        }
        thread::sleep(Duration::from_millis(50));
    }
    // PostgreSQL listens a moment before it is ready.
    thread::sleep(Duration::from_secs(1));
    Ok(())
}

/// Makes the bucket, with as much HTTP as that takes.
fn make_bucket(port: u16) -> Result<(), TaskError> {
    let talk = || {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(stream, "PUT /{BUCKET} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer =
        talk().map_err(|source| TaskError::Launch { program: "the object store".to_owned(), source })?;
    if answer.split(' ').nth(1) == Some("200") {
        return Ok(());
    }
    let status = answer.lines().next().unwrap_or("nothing").to_owned();
    Err(TaskError::Failed { command: format!("PUT /{BUCKET}"), status })
}
