//! A look at what was computed, before its time counts.

use crate::Result;

/// The largest error, or a refusal where there are more or fewer values than expected, or one that is wrong by the bound
/// or more; what is no number is wrong.
pub(crate) fn largest_error(found: &[f64], expected: &[f64], bound: f64) -> Result<f64> {
    let errors = || found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    let error = errors().fold(0.0, f64::max);
    if found.len() == expected.len() && errors().all(|error| error < bound) {
        Ok(error)
    } else {
        let wrong = errors().filter(|error| error.is_nan() || *error >= bound).count();
        let (found, expected) = (found.len(), expected.len());
        Err(format!("{found} values of {expected}, {wrong} of them wrong by {bound} or more, up to {error}")
            .into())
    }
}
