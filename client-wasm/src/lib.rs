//! WebAssembly bindings of the encrypted-inference client.
//!
//! Converts between JavaScript and [`ckks_client`], and adds the system's randomness; knows no
//! cryptography and no network.

// errors that JavaScript can tell apart
mod error;

// the secret key and what is done with it
mod session;

pub use session::Session;
