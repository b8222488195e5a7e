//! Parameter sets, medians, checked precision, and lines of JSON.

use std::hint::black_box;
use std::time::Instant;

/// The same for all programs: for so many seconds an operation runs before it is measured, and then as many times as fit
/// so many, but not fewer or more than these.
const WARM_UP: f64 = 0.03;
const SECONDS: f64 = 0.15;
const RUNS: [f64; 2] = [7.0, 101.0];

/// A ciphertext has `digits · size · radix` bits, a key `size · radix + log_degree` more.
pub struct Set {
    pub name: &'static str,
    pub log_degree: usize,
    /// Bits of one limb.
    pub radix: usize,
    pub digits: usize,
    /// Limbs of one digit.
    pub size: usize,
    pub scale_bits: usize,
}

impl Set {
    pub fn ciphertext_bits(&self) -> usize {
        self.digits * self.size * self.radix
    }

    pub fn guard_bits(&self) -> usize {
        self.size * self.radix + self.log_degree
    }
}

pub struct Report<'a> {
    pub program: &'a str,
    pub set: &'a Set,
    pub depth: usize,
}

impl Report<'_> {
    pub fn line(&self, operation: &str, micros: f64, precision_bits: Option<f64>) {
        let Self { program, set, depth } = self;
        let (name, scale_bits, log_qp) = (set.name, set.scale_bits, set.ciphertext_bits() + set.guard_bits());
        let precision_bits = precision_bits.map_or_else(|| "null".to_owned(), |bits| bits.to_string());
        println!(
            r#"{{"program": "{program}", "set": "{name}", "operation": "{operation}", "value": {micros}, "precision_bits": {precision_bits}, "log_qp": {log_qp}, "depth": {depth}, "scale_bits": {scale_bits}}}"#
        );
    }
}

pub fn median_micros<T>(mut call: impl FnMut() -> T) -> f64 {
    let mut timed = || {
        let begun = Instant::now();
        black_box(call());
        begun.elapsed().as_secs_f64()
    };
    let begun = Instant::now();
    let mut last = timed();
    while begun.elapsed().as_secs_f64() < WARM_UP {
        last = timed();
    }
    let runs = (SECONDS / last).clamp(RUNS[0], RUNS[1]) as usize;
    let mut times: Vec<f64> = (0..runs).map(|_| timed()).collect();
    times.sort_by(f64::total_cmp);
    times[runs / 2] * 1e6
}

pub fn precision_bits(found: &[f64], expected: &[f64]) -> f64 {
    let errors = || found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    let error = errors().fold(0.0, f64::max);
    assert_eq!(found.len(), expected.len());
    assert!(errors().all(|error| error < 1e-3), "a result is wrong by {error}");
    -error.log2()
}
