//! The object's alarm: the one call that comes although nobody asks. It is stored like everything
//! else, so that it comes after a restart too.

use std::{cell::Cell, time::Duration};

use edge_server::{port::Timestamp, store::StoreError};
use worker::Storage;

use super::failed;

/// How often results and keys are looked through for what may be forgotten.
const SWEEP: Duration = Duration::from_secs(60 * 60);

/// The alarm, and when it is set for.
#[derive(Debug)]
pub(super) struct Alarm {
    storage: Storage,
    set: Cell<Option<Timestamp>>,
    /// How long after a job was stored somebody looks whether it still waits. Until then the object
    /// that has stored it evaluates it unasked.
    lease: Duration,
}

impl Alarm {
    /// Asks what it is set for.
    pub(super) async fn read(storage: Storage, lease: Duration) -> Result<Self, StoreError> {
        let set = storage.get_alarm().await.map_err(failed)?;
        let set = set.and_then(|time| u64::try_from(time).ok()).map(Timestamp);
        Ok(Self { storage, set: Cell::new(set), lease })
    }

    /// A job has no outcome yet: sees to it that somebody comes for it.
    pub(super) async fn rescue(&self, now: Timestamp) -> Result<(), StoreError> {
        self.set_by(now, self.lease).await
    }

    /// A job waits for its time: sees to it that somebody comes for it then.
    pub(super) async fn come_back(&self, now: Timestamp, delay: Duration) -> Result<(), StoreError> {
        self.set_by(now, delay).await
    }

    /// Something was stored that will be forgotten some day.
    pub(super) async fn keep(&self, now: Timestamp) -> Result<(), StoreError> {
        self.set_by(now, SWEEP).await
    }

    /// It has gone off, and has to be set again.
    pub(super) fn rang(&self) {
        self.set.set(None);
    }

    /// Sets it, unless it is set for earlier.
    async fn set_by(&self, now: Timestamp, wait: Duration) -> Result<(), StoreError> {
        let due = now.after(wait);
        if self.set.get().is_some_and(|set| set <= due) {
            return Ok(());
        }
        // Noted before: who sets it for a later time meanwhile would undo this.
        let before = self.set.replace(Some(due));
        let set = self.storage.set_alarm(wait).await.map_err(failed);
        if set.is_err() && self.set.get() == Some(due) {
            self.set.set(before);
        }
        set
    }
}
