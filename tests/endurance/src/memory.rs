//! Whether a server's memory is flat: what it takes, looked at again and again, and the line through that.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::server::Server;

/// How often it is looked at.
const PAUSE: Duration = Duration::from_millis(100);

/// The most that memory may grow over a measurement, by the line through all samples: a part of its mean, and
/// what an allocator keeps or gives back.
const PART: f64 = 0.02;
const SPARE: f64 = 8e6;

/// Memory at several times.
#[derive(Default)]
pub(crate) struct Samples(Vec<(f64, f64)>);

/// What they say, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Trend {
    pub(crate) mean: f64,
    /// Of the line, from the first sample to the last.
    pub(crate) growth: f64,
}

impl Samples {
    /// Looks at a server for so long.
    pub(crate) fn of(server: &Server, time: Duration) -> Self {
        let begun = Instant::now();
        let mut samples = Self::default();
        while begun.elapsed() < time {
            if let Some(bytes) = server.resident_bytes() {
                samples.0.push((begun.elapsed().as_secs_f64(), bytes as f64));
            }
            thread::sleep(PAUSE);
        }
        samples
    }

    /// The line of least squares.
    pub(crate) fn trend(&self) -> Trend {
        let count = self.0.len().max(1) as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| self.0.iter().map(of).sum::<f64>() / count;
        let (time, bytes) = (mean(|sample| sample.0), mean(|sample| sample.1));
        let with = self.0.iter().map(|(at, found)| (at - time) * (found - bytes)).sum::<f64>();
        let spread = self.0.iter().map(|(at, _)| (at - time).powi(2)).sum::<f64>();
        let length = self.0.last().map_or(0.0, |last| last.0) - self.0.first().map_or(0.0, |first| first.0);
        Trend { mean: bytes, growth: if spread > 0.0 { with / spread * length } else { 0.0 } }
    }
}

impl Trend {
    /// Refuses memory that grows.
    pub(crate) fn is_flat(self) -> Result<Self, String> {
        let most = PART * self.mean + SPARE;
        if self.growth <= most {
            return Ok(self);
        }
        let [growth, mean, most] = [self.growth, self.mean, most].map(|bytes| bytes / 1e6);
        Err(format!("memory grew by {growth:.1} MB at a mean of {mean:.1} MB; allowed are {most:.1} MB"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trend(growth_each: f64, noise: f64) -> Trend {
        let sample = |index: u32| {
            let side = if index.is_multiple_of(2) { noise } else { -noise };
            (f64::from(index), 100e6 + growth_each * f64::from(index) + side)
        };
        Samples((0..100).map(sample).collect()).trend()
    }

    #[test]
    fn noise_is_no_growth_and_a_leak_is() {
        assert!(trend(0.0, 20e6).is_flat().is_ok(), "{:?}", trend(0.0, 20e6));
        assert!(trend(-1e6, 0.0).is_flat().is_ok());
        let leak = trend(0.2e6, 5e6);
        assert!((leak.growth - 19.8e6).abs() < 1e6, "{leak:?}");
        assert!(leak.is_flat().is_err());
    }
}
