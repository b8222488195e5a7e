//! Runs what waits, one job after the other, for hosts that come for jobs now and then. A job that the store fails stops
//! no other.

use std::{collections::VecDeque, time::Duration};

use super::{Service, run::Failing};
use crate::{
    port::{Clock, Host},
    store::StoreError,
};

impl<H: Host> Service<H> {
    /// Runs jobs as [`Self::run_next`] does, until none waits. One that the store fails is kept until the others have
    /// had their turns, so that it is not tried over and over: it is given back at the end, or after half the time of
    /// a lease if there are always others, so that its own has not run out. Should the process end before, such a job has
    /// lost a start.
    ///
    /// # Errors
    /// The first [`StoreError`]. A job that could not be taken ends the run; the job of any other error waits again, or
    /// is another's to take when its lease has run out.
    pub async fn run_all(&self) -> Result<(), StoreError> {
        let (mut failing, mut outcome) = (VecDeque::<(Duration, Failing)>::new(), Ok(()));
        loop {
            while let Some((_, job)) =
                failing.pop_front_if(|(until, _)| *until <= self.host.clock().elapsed())
            {
                outcome = outcome.and(Err(self.put_back(job).await));
            }
            match self.take_next().await {
                Ok(Some(Ok(evaluated))) => outcome = outcome.and(self.settle(evaluated).await),
                Ok(Some(Err(job))) => {
                    let until = self.host.clock().elapsed().saturating_add(self.settings.lease / 2);
                    failing.push_back((until, job));
                }
                Ok(None) => break,
                Err(error) => {
                    outcome = outcome.and(Err(error));
                    break;
                }
            }
        }
        for (_, job) in failing {
            outcome = outcome.and(Err(self.put_back(job).await));
        }
        outcome
    }
}
