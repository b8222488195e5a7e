//! The encrypted-inference service on Cloudflare Workers: entry, ports, storage. No rules, and no
//! status codes.
//!
//! One Durable Object is the service: it has the SQLite database, prepares keys, evaluates. The
//! Worker in front of it asks the platform's rate limits and hands requests on.
#![cfg(target_family = "wasm")]

// what the runtime offers
mod answer;
mod buffer;
mod clock;
mod log;
mod request;

// the ports
mod executor;
mod packages;
mod settings;
mod store;

mod host;

// what an isolate has once, and how it is divided
mod memory;

mod isolate;

// the object, and the way to it
mod limits;
mod object;

mod entry;
