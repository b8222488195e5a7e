//! Parameter sets, medians, checked precision, and lines of JSON.

use std::hint::black_box;
use std::time::Instant;

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
    pub runs: usize,
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

pub fn median_micros<T>(runs: usize, mut call: impl FnMut() -> T) -> f64 {
    black_box(call());
    let mut times: Vec<f64> = (0..runs)
        .map(|_| {
            let begun = Instant::now();
            black_box(call());
            begun.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

pub fn precision_bits(found: &[f64], expected: &[f64]) -> f64 {
    let error = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(error < 1e-3, "a result is wrong by {error}");
    -error.log2()
}
