//! Hostile input against every endpoint of a real server: native host, SQLite, threads, TCP.
//!
//! One mutation of a right request, one exact problem of the table in `docs/api.md`; every answer is checked
//! against the published contract, and after each attack the server still gives a right answer to a right request.

#![allow(clippy::unwrap_used)]

// what is counted
mod tally;

// the server under attack, and a right client of it
mod world;

// attacks
mod bodies;
mod ciphertexts;
mod inferences;
mod keys;
mod mutations;
mod residues;
mod routes;
mod schemas;
mod sockets;
