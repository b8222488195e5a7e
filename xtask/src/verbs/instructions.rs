//! Counts the instructions of the core's main operations with valgrind's callgrind, and compares them with the
//! committed counts. Counts say nothing of time, but are the same on a busy machine.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::debian;
use crate::error::TaskError;
use crate::process;
use crate::progress::{not_tested, note};
use crate::workspace::Workspace;

const PACKAGE: &str = "layer-benches";
const COUNTS: &str = "benches/instructions.json";
/// Valgrind 3.19 does not know AVX-512.
const BACKENDS: [&str; 2] = ["scalar", "avx2"];
/// In percent of the committed count.
const TOLERANCE: f64 = 5.0;

/// Writes the counts of this build.
pub(crate) fn rewrite(workspace: &Workspace) -> Result<(), TaskError> {
    if !debian::has("valgrind", "valgrind") {
        return Err(TaskError::Missing {
            what: "valgrind".to_owned(),
            hint: "Debian, Ubuntu: `apt-get install valgrind`.".to_owned(),
        });
    }
    let path = workspace.path(COUNTS);
    let counts = format!("{:#}\n", count(workspace)?);
    fs::write(&path, counts).map_err(|source| TaskError::File { path, source })
}

/// Compares the counts of this build with the committed ones, where valgrind can be had.
pub(crate) fn check(workspace: &Workspace) -> Result<(), TaskError> {
    if cfg!(not(target_arch = "x86_64")) || !debian::has("valgrind", "valgrind") {
        not_tested(
            "counts of instructions, which are for x86-64. valgrind is missing (Debian: `apt-get install valgrind`)",
        );
        return Ok(());
    }
    let path = workspace.path(COUNTS);
    let text = fs::read_to_string(&path).map_err(|source| TaskError::File { path: path.clone(), source })?;
    let committed: Value = serde_json::from_str(&text).map_err(|_| TaskError::Measurement { line: text })?;
    let found = count(workspace)?;
    let differences = differences(&committed, &found);
    for Difference { operation, percent } in &differences {
        note(&format!("{operation}: {percent:+.1} % instructions"));
    }
    if committed["rustc"] != found["rustc"] {
        note(&format!("the committed counts are of {}: differences are no failures", committed["rustc"]));
        return Ok(());
    }
    // Fewer are worth a note alone.
    let more = differences.iter().filter(|difference| difference.percent > 0.0).count();
    if more == 0 { Ok(()) } else { Err(TaskError::MoreInstructions { operations: more, file: COUNTS }) }
}

/// An operation whose count is not within the tolerance.
#[derive(Debug, PartialEq)]
struct Difference {
    operation: String,
    percent: f64,
}

fn differences(committed: &Value, found: &Value) -> Vec<Difference> {
    let mut differences = Vec::new();
    for backend in BACKENDS {
        for (operation, count) in found[backend].as_object().into_iter().flatten() {
            let (before, now) = (committed[backend][operation].as_f64(), count.as_f64());
            let percent = match (before, now) {
                (Some(before), Some(now)) => 100.0 * (now / before - 1.0),
                // Nobody has committed a count of it.
                _ => f64::INFINITY,
            };
            if percent.abs() > TOLERANCE {
                differences.push(Difference { operation: format!("{operation}, {backend}"), percent });
            }
        }
    }
    differences
}

/// The counts of every operation by kind of vector instructions, and the compiler.
fn count(workspace: &Workspace) -> Result<Value, TaskError> {
    process::run(workspace.cargo().args(["build", "--quiet", "--release", "--package", PACKAGE]))?;
    let rustc = process::capture(Command::new("rustc").arg("--version"))?;
    let mut counts = json!({ "rustc": rustc.trim() });
    for backend in BACKENDS {
        counts[backend] = of_backend(workspace, backend)?;
    }
    Ok(counts)
}

fn of_backend(workspace: &Workspace, backend: &str) -> Result<Value, TaskError> {
    let folder = workspace.target("xtask/callgrind");
    let output = folder.join(backend);
    let failed = |path: &PathBuf| {
        let path = path.clone();
        move |source| TaskError::File { path, source }
    };
    fs::create_dir_all(&folder).map_err(failed(&folder))?;
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--tool=callgrind", "--toggle-collect=*counted_alone*"]);
    valgrind.arg("--dump-before=layer_benches::instructions::begin");
    valgrind.arg(format!("--callgrind-out-file={}", output.display()));
    valgrind.arg(workspace.target("release").join(PACKAGE)).args(["instructions", backend]);
    let names = process::capture(&mut valgrind)?;
    let names: Vec<&str> = names.lines().collect();
    let mut counts = Map::new();
    for (i, name) in names.iter().enumerate() {
        // Part n is written before operation n, so that part 1 is empty; the last part has no number.
        let part =
            if i + 1 < names.len() { output.with_extension((i + 2).to_string()) } else { output.clone() };
        let text = fs::read_to_string(&part).map_err(failed(&part))?;
        let total = text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse::<u64>().ok());
        // An operation without instructions is one that was not seen.
        let total = total.filter(|&total| total > 0);
        let unread = || TaskError::Measurement { line: format!("{name}: {}", part.display()) };
        counts.insert((*name).to_owned(), total.ok_or_else(unread)?.into());
    }
    Ok(counts.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Difference, differences};

    #[test]
    fn a_count_may_move_by_the_tolerance_and_a_new_operation_needs_one() {
        let committed = json!({ "scalar": { "rotate": 1000, "encode": 1000 }, "avx2": { "rotate": 400 } });
        let found =
            json!({ "scalar": { "rotate": 1040, "encode": 900 }, "avx2": { "rotate": 500, "decode": 1 } });
        let difference = |operation: &str, percent| Difference { operation: operation.to_owned(), percent };
        let found: Vec<_> = differences(&committed, &found)
            .into_iter()
            .map(|Difference { operation, percent }| Difference { operation, percent: percent.round() })
            .collect();
        let expected = [
            difference("encode, scalar", -10.0),
            difference("decode, avx2", f64::INFINITY),
            difference("rotate, avx2", 25.0),
        ];
        assert_eq!(found, expected);
    }
}
