//! The Worker conforms, in workerd, by the same cases and with the same models and settings as the native
//! server. `cargo xtask test worker` builds it first.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use conformance::{Outcome, cases, report, run};

use crate::world::{OTHER_TOKEN, TOKEN, options, packages};

/// A Worker that ends with this value.
struct Worker {
    child: Child,
    url: String,
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Asked, not ended: it has a runtime to stop.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// Writes the packages of the native server's tests where the Worker reads them.
fn written_packages() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("worker-packages");
    for files in packages() {
        let folder = folder.join(&files.origin);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("manifest.json"), files.manifest).unwrap();
        fs::write(folder.join("weights.bin"), files.weights).unwrap();
    }
    folder
}

fn start() -> Worker {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../edge-server/worker");
    let mut child = Command::new("node")
        .current_dir(folder)
        .args(["local/serve.mjs", "--quiet", "--without-page", "--without-rates", "--packages"])
        .arg(written_packages())
        .args(["--set", &format!("TOKENS={TOKEN} {OTHER_TOKEN}")])
        .args(["--set", "QUEUE=4", "--set", "TENANT_REQUESTS=1000000000"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = lines.find_map(|line| line.unwrap().strip_prefix("listening on ").map(str::to_owned));
    Worker { child, url: url.expect("it listens") }
}

#[test]
#[ignore = "needs the built Worker and Node: cargo xtask test worker"]
fn the_worker_passes_every_case() {
    let worker = start();
    let mut lines = Vec::new();
    let runs = run(options(worker.url.clone()), |run| lines.push(report::line(run)));
    let text = lines.join("\n");
    println!("{text}\n{}", report::summary(&runs));
    assert!(runs.iter().all(|run| run.outcome == Outcome::Passed), "{text}");
    assert_eq!(runs.len(), cases().len());
}
