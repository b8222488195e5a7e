//! The encrypted-inference server as a native binary.
