//! All ports of this host.

use edge_server::Host;

use crate::{
    clock::{RuntimeClock, RuntimeEntropy},
    executor::Signals,
    store::ObjectStore,
};

/// The ports.
#[derive(Debug)]
pub(crate) struct WorkerHost {
    pub(crate) store: ObjectStore,
    pub(crate) clock: RuntimeClock,
    pub(crate) executor: Signals,
    pub(crate) entropy: RuntimeEntropy,
}

impl Host for WorkerHost {
    type Store = ObjectStore;
    type Clock = RuntimeClock;
    type Executor = Signals;
    type Entropy = RuntimeEntropy;

    fn store(&self) -> &ObjectStore {
        &self.store
    }

    fn clock(&self) -> &RuntimeClock {
        &self.clock
    }

    fn executor(&self) -> &Signals {
        &self.executor
    }

    fn entropy(&self) -> &RuntimeEntropy {
        &self.entropy
    }

    fn resident_bytes(&self) -> Option<u64> {
        Some(memory_bytes() as u64)
    }
}

/// The length of the module's memory, which never shrinks: the most it has been.
pub(crate) fn memory_bytes() -> usize {
    const PAGE: usize = 64 << 10;
    core::arch::wasm32::memory_size(0) * PAGE
}
