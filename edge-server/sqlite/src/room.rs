//! How much is forgotten in one step, so that whoever writes beside it does not wait long.

/// Rows of a step at most, and bytes of their results and keys beyond which it ends.
const ROWS: u64 = 256;
const BYTES: u64 = 4 << 20;

/// What may still be forgotten in a step.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) rows: u64,
    bytes: u64,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self { rows: ROWS, bytes: BYTES }
    }

    /// Notes that something was forgotten that had so many bytes.
    pub(crate) fn take(&mut self, bytes: u64) {
        self.rows = self.rows.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Tells whether the step is over, although there may be more to forget.
    pub(crate) fn is_full(&self) -> bool {
        self.rows == 0 || self.bytes == 0
    }
}
