//! The server's process.

use std::{
    error::Error,
    fs::{self, File},
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::Place;

/// A running server; it is killed when this is dropped.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
}

/// How to start one.
#[derive(Clone)]
pub(crate) struct Start {
    program: PathBuf,
    models: PathBuf,
    data: PathBuf,
    log: PathBuf,
    options: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Start {
    /// A server of these models alone, with a store and a log of its own.
    pub(crate) fn new(
        place: &Place,
        name: &str,
        models: &[&str],
        options: &[&str],
    ) -> Result<Self, Box<dyn Error>> {
        let served = place.scratch.join(format!("{name}-models"));
        fs::create_dir_all(&served)?;
        for model in models {
            let package = place.models.canonicalize()?.join(model).join("package");
            copy(&package, &served.join(model))?;
        }
        Ok(Self {
            program: place.server.clone(),
            models: served,
            data: place.scratch.join(format!("{name}-data")),
            log: place.scratch.join(format!("{name}.log")),
            options: options.iter().map(|word| (*word).to_owned()).collect(),
            environment: Vec::new(),
        })
    }

    /// The same, with a variable of its environment set.
    pub(crate) fn with_environment(mut self, name: &str, value: String) -> Self {
        self.environment.push((name.to_owned(), value));
        self
    }

    /// Directory of the store.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// The same on another directory.
    pub(crate) fn on(&self, data: &Path) -> Self {
        Self { data: data.to_owned(), ..self.clone() }
    }

    /// Starts it and waits until it listens.
    pub(crate) fn at(&self, listen: SocketAddr) -> Result<Server, Box<dyn Error>> {
        self.spawn(Command::new(&self.program), listen)
    }

    /// Starts it under another program, on a free port.
    pub(crate) fn at_under(&self, wrapper: &[String]) -> Result<Server, Box<dyn Error>> {
        let (program, arguments) = wrapper.split_first().ok_or("no program")?;
        let mut command = Command::new(program);
        command.args(arguments).arg(&self.program);
        self.spawn(command, ([127, 0, 0, 1], 0).into())
    }

    fn spawn(&self, mut command: Command, listen: SocketAddr) -> Result<Server, Box<dyn Error>> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut child = command
            .args(["serve", "--open", "--log", "warn", "--listen", &listen.to_string()])
            .arg("--models")
            .arg(&self.models)
            .arg("--data")
            .arg(&self.data)
            .args(&self.options)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let stdout = child.stdout.take().ok_or("no output of the server")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on http://").and_then(|text| text.parse().ok());
        match address {
            Some(address) => Ok(Server { child, address }),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                Err(format!("the server did not start: {}", log.lines().last().unwrap_or("no log")).into())
            }
        }
    }
}

/// Copies the files of a directory.
fn copy(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        fs::copy(&path, to.join(path.file_name().unwrap_or_default()))?;
    }
    Ok(())
}

impl Server {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it as a power cut does, as far as a process can tell.
    pub(crate) fn kill(&mut self) -> Result<(), Box<dyn Error>> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// The same for a server that runs under another program, which ends with it.
    pub(crate) fn kill_traced(&mut self) -> Result<(), Box<dyn Error>> {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        Command::new("kill").arg("-9").args(children.split_whitespace()).status()?;
        self.child.wait()?;
        Ok(())
    }

    /// The memory it takes, in bytes.
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
