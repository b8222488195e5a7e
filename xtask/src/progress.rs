//! What the person in front of the terminal sees: numbered steps, each with its time.

use std::mem;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::TaskError;

/// Numbered steps of one verb.
pub(crate) struct Progress {
    total: usize,
    begun: usize,
}

impl Progress {
    pub(crate) fn new(total: usize) -> Self {
        Self { total, begun: 0 }
    }

    /// Announces a step, does it, and tells how long it took.
    pub(crate) fn step<T>(
        &mut self,
        title: &str,
        work: impl FnOnce() -> Result<T, TaskError>,
    ) -> Result<T, TaskError> {
        self.begun += 1;
        println!("\n[{}/{}] {title}", self.begun, self.total);
        let begun = Instant::now();
        let result = work();
        let verdict = if result.is_ok() { "done" } else { "failed" };
        println!("      {verdict} in {}", seconds(begun.elapsed()));
        result
    }
}

/// Prints a remark below the current step.
pub(crate) fn note(text: &str) {
    println!("      {text}");
}

/// What this machine could not test since it was last asked for.
static NOT_TESTED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Notes something that this machine cannot test, and why; the summary repeats it.
pub(crate) fn not_tested(what: &str) {
    note(&format!("NOT TESTED: {what}"));
    NOT_TESTED.lock().unwrap_or_else(PoisonError::into_inner).push(what.to_owned());
}

/// Takes what was noted.
pub(crate) fn take_not_tested() -> Vec<String> {
    mem::take(&mut NOT_TESTED.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Writes a duration for people: `0.4 s`, `2 min 05 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    let total = duration.as_secs_f64();
    if total < 60.0 {
        format!("{total:.1} s")
    } else {
        format!("{} min {:02} s", duration.as_secs() / 60, duration.as_secs() % 60)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::seconds;

    #[test]
    fn long_times_are_told_in_minutes() {
        assert_eq!(seconds(Duration::from_millis(412)), "0.4 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 05 s");
    }
}
