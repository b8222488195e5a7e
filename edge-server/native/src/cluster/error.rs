//! Why the store could not be opened.

use std::fmt;

use edge_server::store::StoreError;

/// The store could not be opened.
#[derive(Debug)]
pub enum ClusterError {
    /// An address is none.
    Address {
        /// Which of the two.
        of: &'static str,
        /// Why.
        reason: String,
    },
    /// One of the two does not answer as it should.
    Store(StoreError),
    /// The tables were made by a newer server, and stay as they are.
    Newer {
        /// The version that this server writes.
        expected: i32,
        /// The version of the tables.
        found: i32,
    },
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { of, reason } => write!(f, "{of}: {reason}"),
            Self::Store(error) => error.fmt(f),
            Self::Newer { expected, found } => write!(
                f,
                "postgres: made by a newer server (version {found}, this one knows {expected}); left as it is"
            ),
        }
    }
}

impl std::error::Error for ClusterError {}

impl From<StoreError> for ClusterError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
