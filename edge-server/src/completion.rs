//! Tells those who wait for a job that it is done.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures_channel::oneshot;

use crate::id::JobId;

/// Who waits for which job, within this process.
#[derive(Debug, Default)]
pub(crate) struct Completions(Mutex<HashMap<JobId, Vec<oneshot::Sender<()>>>>);

impl Completions {
    fn waiting(&self) -> MutexGuard<'_, HashMap<JobId, Vec<oneshot::Sender<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts to wait. Look at the job after this call, not before, or its end may be missed.
    pub(crate) fn wait_for(&self, job: JobId) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting();
        let senders = waiting.entry(job).or_default();
        senders.retain(|sender| !sender.is_canceled());
        senders.push(sender);
        receiver
    }

    /// Stops waiting, once the receiver is dropped.
    pub(crate) fn tidy(&self, job: JobId) {
        let mut waiting = self.waiting();
        if let Some(senders) = waiting.get_mut(&job) {
            senders.retain(|sender| !sender.is_canceled());
            if senders.is_empty() {
                waiting.remove(&job);
            }
        }
    }

    /// Wakes everybody who waits for a job.
    pub(crate) fn announce(&self, job: JobId) {
        for sender in self.waiting().remove(&job).into_iter().flatten() {
            // Whoever stopped waiting need not hear it.
            let _ = sender.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn announcement_wakes_all_who_wait() {
        let (completions, job) = (Completions::default(), JobId::from_bytes([1; 16]));
        let (mut first, mut second) = (completions.wait_for(job), completions.wait_for(job));
        assert!((&mut first).now_or_never().is_none());
        completions.announce(job);
        assert_eq!((&mut first).now_or_never(), Some(Ok(())));
        assert_eq!((&mut second).now_or_never(), Some(Ok(())));
    }

    #[test]
    fn those_who_left_are_forgotten() {
        let (completions, job) = (Completions::default(), JobId::from_bytes([1; 16]));
        drop(completions.wait_for(job));
        completions.tidy(job);
        assert!(completions.waiting().is_empty());
    }
}
