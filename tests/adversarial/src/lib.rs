//! Hostile input against every endpoint.
