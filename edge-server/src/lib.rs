//! The encrypted-inference service, independent of runtime and store.
