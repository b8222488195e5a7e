//! Keys that an evaluation reads when it comes to them.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::StoreError;
use crate::id::KeyName;

/// The keys of a set, where they are read without waiting: an evaluation cannot wait in the middle of an instruction.
pub trait StagedKeys {
    /// Reads one key; `None` if the set does not have it (any more).
    ///
    /// # Errors
    /// [`StoreError`].
    fn key(&self, name: KeyName) -> Result<Option<Bytes>, StoreError>;
}

/// Keys in memory, as they were uploaded.
impl StagedKeys for BTreeMap<KeyName, Bytes> {
    fn key(&self, name: KeyName) -> Result<Option<Bytes>, StoreError> {
        Ok(self.get(&name).cloned())
    }
}
