//! Where jobs are evaluated: in the object itself, between requests.

use edge_server::port::Executor;
use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};

/// Tells the loop that evaluates of jobs.
#[derive(Debug)]
pub(crate) struct Signals(UnboundedSender<()>);

impl Signals {
    /// Makes both ends.
    pub(crate) fn new() -> (Self, UnboundedReceiver<()>) {
        let (sender, receiver) = unbounded();
        (Self(sender), receiver)
    }
}

impl Executor for Signals {
    fn wake(&self) {
        // The receiver lives as long as the object does.
        let _ = self.0.unbounded_send(());
    }

    fn parallelism(&self) -> usize {
        1
    }

    async fn offload<T: 'static>(&self, work: impl FnOnce() -> T + 'static) -> T {
        work()
    }
}
