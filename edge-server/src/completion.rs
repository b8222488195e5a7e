//! Tells those who wait for a job that it is done.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use futures_channel::oneshot;

use crate::id::JobId;

/// Who waits for which job, within this process.
#[derive(Debug, Default)]
pub(crate) struct Completions(Mutex<HashMap<JobId, Vec<oneshot::Sender<()>>>>);

/// The end of a job, for one who waits for it.
#[derive(Debug)]
pub(crate) struct End<'a> {
    completions: &'a Completions,
    job: JobId,
    announced: oneshot::Receiver<()>,
}

impl Future for End<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.announced).poll(context).map(drop)
    }
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.announced.close();
        self.completions.tidy(self.job);
    }
}

impl Completions {
    fn waiting(&self) -> MutexGuard<'_, HashMap<JobId, Vec<oneshot::Sender<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts to wait. Look at the job after this call, not before, or its end may be missed.
    pub(crate) fn wait_for(&self, job: JobId) -> End<'_> {
        let (sender, announced) = oneshot::channel();
        self.waiting().entry(job).or_default().push(sender);
        End { completions: self, job, announced }
    }

    /// Forgets those who have stopped waiting for a job.
    fn tidy(&self, job: JobId) {
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
        assert_eq!((&mut first).now_or_never(), Some(()));
        assert_eq!((&mut second).now_or_never(), Some(()));
    }

    #[test]
    fn those_who_left_are_forgotten() {
        let (completions, job) = (Completions::default(), JobId::from_bytes([1; 16]));
        let stays = completions.wait_for(job);
        drop(completions.wait_for(job));
        assert_eq!(completions.waiting().get(&job).map(Vec::len), Some(1));
        drop(stays);
        assert!(completions.waiting().is_empty());
    }
}
