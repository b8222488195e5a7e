//! Medians of repeated runs.

use std::{hint::black_box, time::Instant};

/// The median time of one call, in microseconds, over `runs` calls after two that are not counted.
pub(crate) fn median_micros<T>(runs: usize, mut call: impl FnMut() -> T) -> f64 {
    let [median] = alternating_micros(runs, [&mut call]);
    median
}

/// The same of a call that uses up something, which `input` makes for each and which does not count.
pub(crate) fn median_micros_with<I, T>(
    runs: usize,
    mut input: impl FnMut() -> I,
    mut call: impl FnMut(I) -> T,
) -> f64 {
    let mut times: Vec<f64> = (0..runs + 2)
        .map(|_| {
            let input = black_box(input());
            let start = Instant::now();
            black_box(call(input));
            start.elapsed().as_secs_f64() * 1e6
        })
        .skip(2)
        .collect();
    median(&mut times)
}

/// The same of several calls, in turns, so that what the machine does besides slows all of them alike.
pub(crate) fn alternating_micros<T, const COUNT: usize>(
    runs: usize,
    mut calls: [&mut dyn FnMut() -> T; COUNT],
) -> [f64; COUNT] {
    let mut times = [(); COUNT].map(|()| Vec::with_capacity(runs));
    for run in 0..runs + 2 {
        for (call, times) in calls.iter_mut().zip(&mut times) {
            let start = Instant::now();
            black_box(call());
            if run >= 2 {
                times.push(start.elapsed().as_secs_f64() * 1e6);
            }
        }
    }
    times.map(|mut times| median(&mut times))
}

/// The median, of one number at least.
pub(crate) fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
