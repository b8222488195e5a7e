//! What there is of traces in a server that was built without.

use edge_server::trace::Span;

/// The way to a collector, of which there is none.
#[derive(Clone, Debug)]
pub enum Traces {}

impl Traces {
    /// Says how to build a server that has it.
    ///
    /// # Errors
    /// Always.
    pub fn start(_: &str) -> Result<Self, String> {
        Err("traces: this server was built without; build it with --features traces".to_owned())
    }

    pub(crate) fn export(&self, _: Span) {
        match *self {}
    }

    pub(crate) fn stop(&self) {
        match *self {}
    }
}
