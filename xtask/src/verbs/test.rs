//! `cargo xtask test`: every test there is.

mod deployment;
mod report;

mod checks;

use std::time::Instant;

use crate::arguments::Arguments;
use crate::error::TaskError;
use crate::progress::{Progress, take_not_tested};
use crate::workspace::Workspace;

use checks::{CHECKS, Check};
use report::{Outcome, Report};

/// Runs every check, or only those named with what they need, and ends with a summary.
///
/// A check that fails does not stop those after it, unless `--fail-fast` is given.
pub(crate) fn run(workspace: &Workspace, mut arguments: Arguments) -> Result<(), TaskError> {
    let list = arguments.flag("--list");
    let fail_fast = arguments.flag("--fail-fast");
    let no_browser = arguments.flag("--no-browser");
    let names = arguments.names();
    arguments.finish()?;
    if list {
        for check in CHECKS {
            println!("{:<12}{}", check.name, check.title);
        }
        return Ok(());
    }
    if let Some(name) = names.iter().find(|name| CHECKS.iter().all(|check| check.name != **name)) {
        return Err(TaskError::UnknownArgument { argument: name.clone() });
    }

    let is_named = |name: &str| names.iter().any(|named| named == name);
    let is_needed =
        |name: &str| CHECKS.iter().any(|check| is_named(check.name) && check.needs.contains(&name));
    let wanted = |check: &Check| names.is_empty() || is_named(check.name) || is_needed(check.name);
    let chosen: Vec<&Check> = CHECKS.iter().filter(|check| wanted(check)).collect();
    let mut progress = Progress::new(chosen.len());
    let mut report = Report::default();
    for check in chosen {
        let left_out = (no_browser && check.needs_browser) || (fail_fast && report.failed() > 0);
        if left_out {
            report.add(check.name, Outcome::LeftOut);
            continue;
        }
        let begun = Instant::now();
        let result = progress.step(&format!("{}: {}", check.name, check.title), || (check.run)(workspace));
        if let Err(error) = &result {
            println!("      {error}");
        }
        let outcome = if result.is_ok() { Outcome::Passed } else { Outcome::Failed };
        report.add_timed(check.name, outcome, begun.elapsed());
        take_not_tested().into_iter().for_each(|what| report.add_not_tested(check.name, what));
    }
    print!("{report}");
    match report.failed() {
        0 => Ok(()),
        failed => Err(TaskError::StepsFailed { failed }),
    }
}
