//! Medians of repeated runs.

use std::{hint::black_box, time::Instant};

/// The median time of one call, in microseconds, over `runs` calls after two that are not counted.
pub(crate) fn median_micros<T>(runs: usize, mut call: impl FnMut() -> T) -> f64 {
    black_box(call());
    black_box(call());
    let mut times: Vec<f64> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            black_box(call());
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
