//! Why an evaluation has no result.

use crate::{
    problem::Problem,
    store::{StoreError, put_off::Failed},
};

/// Why an evaluation has no result.
#[derive(Debug)]
pub(super) enum Halt {
    /// Its job has failed.
    Failed(Problem),
    /// Its caller has deleted the job, or it has become another's.
    Gone,
    /// The store did not give what it needs; the job is put off. One that the store has failed midway too often is not.
    Store(Failed, StoreError),
    /// The service stops; the job waits again.
    Stopping,
}

impl From<Problem> for Halt {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Store(Failed::Before, error)
    }
}
