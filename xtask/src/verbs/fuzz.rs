//! `cargo xtask fuzz`: runs the fuzz targets for a while and counts executions.
//!
//! With the compiler that is there: the coverage that libFuzzer needs is a pass of LLVM, which the stable compiler
//! has too. What a sanitizer would add concerns unsafe code, of which the decoders have none.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::arguments::Arguments;
use crate::error::TaskError;
use crate::process;
use crate::progress::{Progress, note};
use crate::workspace::Workspace;

const SECONDS: u64 = 120;
const ONNX: &str = "onnx";
/// What cargo-fuzz sets, without a sanitizer.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
                        -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";
/// Longest input that is tried.
const MAX_LENGTH: &str = "-max_len=16384";
/// Longest input that a committed corpus takes in, and how many of them.
const SMALL: u64 = 2048;
const MANY: usize = 40;

/// Builds the targets, and fuzzes those named, or all but `onnx`, for `--seconds` in all.
///
/// `--keep` adds what reached new code to `fuzz/corpus`, the smallest inputs that reach it.
pub(crate) fn run(workspace: &Workspace, mut arguments: Arguments) -> Result<(), TaskError> {
    const EXPECTED: &str = "a number of seconds";
    let seconds = match arguments.value("--seconds", EXPECTED)? {
        None => SECONDS,
        Some(text) => {
            text.parse().map_err(|_| TaskError::BadValue { option: "--seconds", expected: EXPECTED })?
        }
    };
    let keep = arguments.flag("--keep");
    let names = arguments.names();
    arguments.finish()?;
    let all = targets(workspace)?;
    if let Some(name) = names.iter().find(|name| !all.contains(name)) {
        return Err(TaskError::UnknownArgument { argument: name.clone() });
    }
    // An instrumented ONNX runtime takes long to build: only for those who name it.
    let chosen = if names.is_empty() { all.into_iter().filter(|name| name != ONNX).collect() } else { names };
    let each = (seconds / chosen.len() as u64).max(1);

    let mut progress = Progress::new(chosen.len() + 1);
    let programs = workspace.target("fuzz");
    let host = progress.step("Build the targets", || build(workspace, &chosen))?;
    let mut total = 0;
    for name in &chosen {
        let program = programs.join(&host).join("release").join(name);
        total += progress.step(name, || {
            let found = programs.join("corpus").join(name);
            let committed = workspace.path("fuzz/corpus").join(name);
            let executions = fuzz(&program, &found, &committed, &programs, each)?;
            note(&format!("{executions} executions"));
            if keep {
                keep_small(&program, &found, &committed)?;
            }
            Ok(executions)
        })?;
    }
    println!("{total} executions of {} targets, no law broken", chosen.len());
    Ok(())
}

fn file_error(path: &Path) -> impl Fn(std::io::Error) -> TaskError + '_ {
    move |source| TaskError::File { path: path.to_owned(), source }
}

/// The names of the targets.
fn targets(workspace: &Workspace) -> Result<Vec<String>, TaskError> {
    let folder = workspace.path("fuzz/targets");
    let entries = fs::read_dir(&folder).map_err(file_error(&folder))?;
    let stem = |entry: fs::DirEntry| entry.path().file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let mut names: Vec<String> = entries.flatten().filter_map(stem).collect();
    names.sort();
    Ok(names)
}

/// Builds targets with coverage and returns the name of this machine's target.
fn build(workspace: &Workspace, chosen: &[String]) -> Result<String, TaskError> {
    let version = process::capture(Command::new("rustc").current_dir(workspace.path("")).arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default().to_owned();
    let mut cargo = workspace.cargo();
    cargo.current_dir(workspace.path("fuzz")).env("CARGO_TARGET_DIR", workspace.target("fuzz"));
    cargo.env("RUSTFLAGS", COVERAGE).env_remove("CARGO_ENCODED_RUSTFLAGS");
    // Named, so that build scripts and macros are compiled without coverage.
    cargo.args(["build", "--release", "--locked", "--target", &host]);
    for name in chosen {
        cargo.args(["--bin", name]);
    }
    if chosen.iter().any(|name| name == ONNX) {
        cargo.args(["--features", ONNX]);
    }
    process::run(&mut cargo)?;
    Ok(host)
}

/// Runs one target and returns how often it executed its law.
fn fuzz(
    program: &Path,
    found: &Path,
    committed: &Path,
    artifacts: &Path,
    seconds: u64,
) -> Result<u64, TaskError> {
    fs::create_dir_all(found).map_err(file_error(found))?;
    let mut command = Command::new(program);
    command.arg(found).arg(committed).args([
        MAX_LENGTH,
        "-print_final_stats=1",
        "-timeout=20",
        "-rss_limit_mb=4096",
    ]);
    command.arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-artifact_prefix={}/", artifacts.display()));
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| TaskError::Launch { program: program.display().to_string(), source })?;
    let log = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let tail: Vec<&str> = log.lines().rev().take(40).collect();
        eprintln!("{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        return Err(TaskError::Failed {
            command: program.display().to_string(),
            status: output.status.to_string(),
        });
    }
    let count = log.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    Ok(count.and_then(|count| count.trim().parse().ok()).unwrap_or(0))
}

/// Adds the smallest inputs that reach all that was reached to the committed corpus.
fn keep_small(program: &Path, found: &Path, committed: &Path) -> Result<(), TaskError> {
    let merged = found.with_extension("merged");
    fs::create_dir_all(&merged).map_err(file_error(&merged))?;
    let mut command = Command::new(program);
    command
        .args(["-merge=1", MAX_LENGTH])
        .arg(&merged)
        .arg(found)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    process::run(&mut command)?;
    let length = |path: &Path| fs::metadata(path).map_or(u64::MAX, |metadata| metadata.len());
    let mut inputs: Vec<_> =
        fs::read_dir(&merged).map_err(file_error(&merged))?.flatten().map(|entry| entry.path()).collect();
    inputs.retain(|path| length(path) <= SMALL);
    inputs.sort_by_key(|path| length(path));
    for path in inputs.iter().take(MANY) {
        let target = committed.join(path.file_name().unwrap_or_default());
        fs::copy(path, &target).map_err(file_error(&target))?;
    }
    fs::remove_dir_all(&merged).map_err(file_error(&merged))
}
