//! How long a job waits that the store has failed. One rule for all hosts: stores keep the time, and know no more.

use std::time::Duration;

use crate::port::Timestamp;

/// How a job is given back that the store has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PutOff {
    /// Nobody takes it before this is over.
    pub delay: Duration,
    /// How far it had come.
    pub failed: Failed,
}

/// How far a job had come when the store failed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It was not being evaluated.
    Before,
    /// It was in the middle of its evaluation, which has to begin anew.
    Midway,
}

/// How long it waits the first time; each further wait is twice as long, up to the longest.
const FIRST_DELAY: Duration = Duration::from_millis(250);

/// The longest wait. A time that is further ahead was noted by a clock that has been set back since, and is no reason
/// to wait.
pub const LONGEST_DELAY: Duration = Duration::from_secs(16);

/// Says how long a job waits that the store has failed, and had failed so often before; never beyond its deadline, at
/// which whoever takes it sees that it is late.
#[must_use]
pub fn delay(failures: u32, now: Timestamp, deadline: Timestamp) -> Duration {
    let left = Duration::from_millis(deadline.0.saturating_sub(now.0));
    let factor = 1u32.checked_shl(failures).unwrap_or(u32::MAX);
    FIRST_DELAY.saturating_mul(factor).min(LONGEST_DELAY).min(left)
}

/// Tells whether a job may be taken that waits until then.
pub(crate) fn is_due(not_before: Timestamp, now: Timestamp) -> bool {
    not_before <= now || not_before > now.after(LONGEST_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let never = Timestamp(u64::MAX);
        let waits: Vec<u128> =
            (0..8).map(|failures| delay(failures, Timestamp(0), never).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 16000, 16000]);
        for failures in [31, 32, 33, u32::MAX] {
            assert_eq!(delay(failures, Timestamp(0), never), LONGEST_DELAY);
        }
    }

    #[test]
    fn nobody_waits_beyond_the_deadline() {
        assert_eq!(delay(9, Timestamp(1000), Timestamp(1007)), Duration::from_millis(7));
        assert_eq!(delay(0, Timestamp(1000), Timestamp(999)), Duration::ZERO);
    }

    #[test]
    fn a_time_of_a_clock_that_was_set_back_is_no_reason_to_wait() {
        let now = Timestamp(1000);
        for (not_before, due) in [(0, true), (1000, true), (1001, false), (17_000, false), (17_001, true)] {
            assert_eq!(is_due(Timestamp(not_before), now), due, "{not_before}");
        }
    }
}
