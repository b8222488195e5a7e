//! What the calibration samples show of every value: its range, and where in it the elements lie.

use crate::{
    graph::{Graph, Operation},
    reference,
};

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

/// The range of each element of the samples.
pub(crate) fn element_ranges(samples: &[Vec<f64>]) -> Vec<Range> {
    let mut ranges = vec![Range::EMPTY; samples.first().map_or(0, Vec::len)];
    for sample in samples {
        ranges.iter_mut().zip(sample).for_each(|(range, &x)| *range = range.with(x));
    }
    ranges
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

/// Parts of a range that elements are counted in.
pub(crate) const BINS: usize = 512;
/// How near to an end of the calibrated range counts as near, as a part of its width.
const EDGE: f64 = 0.05;

/// How many elements of a value, over all samples, lie in each part of a range.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Histogram {
    /// The range that is divided; wide enough for all elements.
    pub(crate) range: Range,
    pub(crate) counts: Vec<u64>,
    /// Elements near an end of what the samples showed.
    pub(crate) near_edge: u64,
}

impl Histogram {
    /// `seen` is the range of the elements to come, `range` the wider one that is divided.
    fn new(seen: Range, range: Range) -> (Self, [f64; 2]) {
        let near = EDGE * (seen.high - seen.low);
        (Self { range, counts: vec![0; BINS], near_edge: 0 }, [seen.low + near, seen.high - near])
    }

    fn add(&mut self, x: f64, [low, high]: [f64; 2]) {
        let Range { low: from, high: to } = self.range;
        let bin = ((x - from) / (to - from) * BINS as f64) as usize;
        self.counts[bin.min(BINS - 1)] += 1;
        self.near_edge += u64::from(x <= low || x >= high);
    }

    /// All elements.
    pub(crate) fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// Counts the elements of the values that functions read, in their ranges widened by `margin`; nothing for other values.
pub(crate) fn histograms(
    graph: &Graph,
    samples: &[Vec<f64>],
    ranges: &[Range],
    margin: f64,
) -> Vec<Option<Histogram>> {
    let mut found: Vec<Option<(Histogram, [f64; 2])>> = vec![None; graph.values.len()];
    for value in &graph.values {
        if let Operation::Map(x, _) = &value.operation {
            found[*x] = Some(Histogram::new(ranges[*x], ranges[*x].widened(margin)));
        }
    }
    let samples = if found.iter().any(Option::is_some) { samples } else { &[] };
    for sample in samples {
        for (found, value) in found.iter_mut().zip(reference::values(graph, sample)) {
            if let Some((histogram, edges)) = found {
                value.into_iter().for_each(|x| histogram.add(x, *edges));
            }
        }
    }
    found.into_iter().map(|found| found.map(|(histogram, _)| histogram)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{function::Function, graph::Value};

    fn square() -> Graph {
        let value = |operation| Value { name: String::new(), shape: vec![2], operation };
        Graph::new(vec![value(Operation::Input), value(Operation::Map(0, Function::Power(2)))])
    }

    #[test]
    fn counts_every_element_of_what_a_function_reads_and_those_near_an_end() {
        let samples = [vec![0.0, 10.0], vec![5.0, 0.5], vec![5.0, 1.0]];
        let graph = square();
        let found = histograms(&graph, &samples, &calibrate(&graph, &samples), 0.1);
        let histogram = found[0].as_ref().expect("is read by a function");
        assert_eq!(histogram.range, Range { low: -1.0, high: 11.0 });
        assert_eq!((histogram.total(), histogram.near_edge, histogram.counts[256]), (6, 3, 2));
        assert!(found[1].is_none());
    }

    #[test]
    fn finds_the_extremes_of_every_value() {
        let graph = square();
        let ranges = calibrate(&graph, &[vec![1.0, -3.0], vec![0.5, 2.0]]);
        assert_eq!(ranges, [Range { low: -3.0, high: 2.0 }, Range { low: 0.25, high: 9.0 }]);
        assert_eq!(ranges[0].widened(0.1), Range { low: -3.5, high: 2.5 });
        let each = element_ranges(&[vec![1.0, -3.0], vec![0.5, 2.0]]);
        assert_eq!(each, [Range { low: 0.5, high: 1.0 }, Range { low: -3.0, high: 2.0 }]);
    }
}
