//! Benchmarks, one per layer.
