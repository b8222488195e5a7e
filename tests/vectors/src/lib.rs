//! Exact test vectors and their checks.
