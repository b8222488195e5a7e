//! The summary at the end of `cargo xtask test`.

use std::fmt;
use std::time::Duration;

use crate::progress::seconds;

/// How a check ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    Failed,
    /// Not run, by an option of the caller.
    LeftOut,
}

/// How every check ended, in order.
#[derive(Default)]
pub(super) struct Report {
    lines: Vec<(&'static str, Outcome, Duration)>,
    /// What this machine could not test, by check.
    not_tested: Vec<(&'static str, String)>,
}

impl Report {
    pub(super) fn add(&mut self, name: &'static str, outcome: Outcome) {
        self.add_timed(name, outcome, Duration::ZERO);
    }

    pub(super) fn add_timed(&mut self, name: &'static str, outcome: Outcome, time: Duration) {
        self.lines.push((name, outcome, time));
    }

    pub(super) fn add_not_tested(&mut self, name: &'static str, what: String) {
        self.not_tested.push((name, what));
    }

    pub(super) fn failed(&self) -> usize {
        self.count(Outcome::Failed)
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.lines.iter().filter(|line| line.1 == outcome).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:<12}  {:<8}  time", "step", "result")?;
        for (name, outcome, time) in &self.lines {
            match outcome {
                Outcome::Passed => writeln!(f, "{name:<12}  {:<8}  {}", "passed", seconds(*time))?,
                Outcome::Failed => writeln!(f, "{name:<12}  {:<8}  {}", "FAILED", seconds(*time))?,
                Outcome::LeftOut => writeln!(f, "{name:<12}  left out")?,
            }
        }
        let total = self.lines.iter().map(|line| line.2).sum();
        writeln!(f, "{:<12}  {:<8}  {}", "all", "", seconds(total))?;
        for (name, what) in &self.not_tested {
            writeln!(f, "{name:<12}  NOT TESTED: {what}")?;
        }
        write!(f, "{} passed, {} failed", self.count(Outcome::Passed), self.failed())?;
        match self.not_tested.len() {
            0 => writeln!(f),
            count => writeln!(f, "; {count} left out, since something is missing here"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Outcome, Report};

    #[test]
    fn last_line_counts_only_what_ran() {
        let mut report = Report::default();
        report.add_timed("format", Outcome::Passed, Duration::from_secs(1));
        report.add_timed("rust", Outcome::Failed, Duration::from_secs(70));
        report.add("browser", Outcome::LeftOut);
        let text = report.to_string();
        assert_eq!(text.lines().last(), Some("1 passed, 1 failed"));
        assert!(text.contains("1 min 10 s"));
    }

    #[test]
    fn what_could_not_be_tested_is_told_at_the_end() {
        let mut report = Report::default();
        report.add_timed("neon", Outcome::Passed, Duration::from_secs(1));
        report.add_not_tested("neon", "the kernels. An emulator is missing".to_owned());
        let text = report.to_string();
        assert_eq!(
            text.lines().last(),
            Some("1 passed, 0 failed; 1 left out, since something is missing here")
        );
        assert!(text.contains("neon          NOT TESTED: the kernels. An emulator is missing"));
    }
}
