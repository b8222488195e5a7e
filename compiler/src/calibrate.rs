//! The range of every value over the calibration samples.

use crate::{graph::Graph, reference};

/// Smallest and largest element of a value over all samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Range {
    const EMPTY: Self = Self { low: f64::INFINITY, high: f64::NEG_INFINITY };

    /// The largest absolute value.
    pub(crate) fn magnitude(self) -> f64 {
        self.low.abs().max(self.high.abs())
    }

    /// The range with a fraction of its width added at both ends.
    pub(crate) fn widened(self, fraction: f64) -> Self {
        let more = (self.high - self.low).max(f64::MIN_POSITIVE) * fraction;
        Self { low: self.low - more, high: self.high + more }
    }

    fn with(self, x: f64) -> Self {
        Self { low: self.low.min(x), high: self.high.max(x) }
    }
}

/// Runs the samples through the model; one range per value.
pub(crate) fn calibrate(graph: &Graph, samples: &[Vec<f64>]) -> Vec<Range> {
    let mut ranges = vec![Range::EMPTY; graph.values.len()];
    for sample in samples {
        for (range, value) in ranges.iter_mut().zip(reference::values(graph, sample)) {
            *range = value.into_iter().fold(*range, Range::with);
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        function::Function,
        graph::{Operation, Postprocessing, Value},
    };

    #[test]
    fn finds_the_extremes_of_every_value() {
        let value = |operation| Value { name: String::new(), shape: vec![2], operation };
        let graph = Graph {
            values: vec![value(Operation::Input), value(Operation::Map(0, Function::Power(2)))],
            postprocessing: Postprocessing::None,
        };
        let ranges = calibrate(&graph, &[vec![1.0, -3.0], vec![0.5, 2.0]]);
        assert_eq!(ranges, [Range { low: -3.0, high: 2.0 }, Range { low: 0.25, high: 9.0 }]);
        assert_eq!(ranges[0].widened(0.1), Range { low: -3.5, high: 2.5 });
    }
}
