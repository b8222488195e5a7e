//! Starting other programs so that none outlives this one.

use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::TaskError;

/// How often a waiting task looks whether its child has ended.
const POLL: Duration = Duration::from_millis(20);
/// How long after a child's end the signal that ended it may reach us.
const SIGNAL_DELAY: Duration = Duration::from_millis(100);
/// How long a child may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(3);

type Shared = Arc<Mutex<Child>>;

static CHILDREN: Mutex<Vec<Shared>> = Mutex::new(Vec::new());
static STOPPING: AtomicBool = AtomicBool::new(false);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Installs the handler that ends every child, then this process, on Ctrl-C or a request to terminate.
pub(crate) fn stop_children_on_signal() {
    let installed = ctrlc::set_handler(|| {
        STOPPING.store(true, Ordering::SeqCst);
        let children = std::mem::take(&mut *lock(&CHILDREN));
        for child in &children {
            stop(child);
        }
        eprintln!("\nstopped");
        std::process::exit(130);
    });
    if let Err(error) = installed {
        eprintln!("note: Ctrl-C will not stop child processes: {error}");
    }
}

/// Asks a child to end and, after a grace period, ends it.
fn stop(child: &Shared) {
    let mut child = lock(child);
    if matches!(child.try_wait(), Ok(Some(_))) {
        return;
    }
    #[cfg(unix)]
    {
        let asked = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        let deadline = Instant::now() + GRACE;
        while asked.is_ok() && Instant::now() < deadline {
            if matches!(child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(POLL);
        }
    }
    // Errors mean that it has ended already.
    let _ = child.kill();
    let _ = child.wait();
}

/// Keeps a task from going on with its next step, or reporting a failure, while the signal handler ends it.
fn wait_if_stopping() {
    thread::sleep(SIGNAL_DELAY);
    while STOPPING.load(Ordering::SeqCst) {
        thread::park();
    }
}

/// A child process that ends with this value.
pub(crate) struct Running {
    child: Shared,
    command: String,
}

impl Running {
    /// Tells whether the child has ended, and how.
    pub(crate) fn ended(&self) -> Result<Option<ExitStatus>, TaskError> {
        lock(&self.child)
            .try_wait()
            .map_err(|source| TaskError::Launch { program: self.command.clone(), source })
    }

    /// Waits for the child to end well.
    pub(crate) fn wait(&self) -> Result<(), TaskError> {
        loop {
            match self.ended()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    wait_if_stopping();
                    return Err(TaskError::Failed {
                        command: self.command.clone(),
                        status: status.to_string(),
                    });
                }
                None => thread::sleep(POLL),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        stop(&self.child);
        lock(&CHILDREN).retain(|child| !Arc::ptr_eq(child, &self.child));
    }
}

/// Starts a program without waiting for it. It reads nothing from the terminal.
pub(crate) fn start(command: &mut Command) -> Result<Running, TaskError> {
    let line = describe(command);
    let child = command
        .stdin(Stdio::null())
        .spawn()
        .map_err(|source| TaskError::Launch { program: line.clone(), source })?;
    let child = Arc::new(Mutex::new(child));
    lock(&CHILDREN).push(Arc::clone(&child));
    Ok(Running { child, command: line })
}

/// Runs a program to its end, its output going where ours goes.
pub(crate) fn run(command: &mut Command) -> Result<(), TaskError> {
    start(command)?.wait()
}

/// Runs a short program and returns what it printed.
pub(crate) fn capture(command: &mut Command) -> Result<String, TaskError> {
    let line = describe(command);
    let Output { status, stdout, stderr } = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| TaskError::Launch { program: line.clone(), source })?;
    if !status.success() {
        eprint!("{}", String::from_utf8_lossy(&stderr));
        return Err(TaskError::Failed { command: line, status: status.to_string() });
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

/// Writes a command the way a person would type it.
fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Instant;

    use super::{GRACE, capture, run, start};
    use crate::error::TaskError;

    #[test]
    fn failure_names_the_command() {
        let error = run(Command::new("cargo").arg("no-such-command-of-cargo")).err();
        assert!(
            matches!(error, Some(TaskError::Failed { command, .. }) if command == "cargo no-such-command-of-cargo")
        );
    }

    #[test]
    fn capture_returns_the_output() {
        let text = capture(Command::new("cargo").arg("--version")).ok();
        assert!(text.is_some_and(|text| text.starts_with("cargo ")));
    }

    #[cfg(unix)]
    #[test]
    fn dropped_child_is_ended() {
        let running = start(Command::new("sleep").arg("60")).ok();
        let begun = Instant::now();
        drop(running);
        assert!(begun.elapsed() < GRACE);
    }
}
