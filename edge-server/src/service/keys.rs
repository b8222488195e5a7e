//! The evaluation keys of a job: all of them prepared, or each when the program comes to it.

use std::{borrow::Cow, cell::RefCell, sync::Arc};

use bytes::Bytes;
use ckks_core::{Error, EvaluationKeys, GaloisElement, GaloisKey, KeySource, Level, RelinearizationKey};
use futures_util::{StreamExt, stream::FuturesOrdered};

use super::{Service, halt::Halt, running::Run};
use crate::{
    decode::{self, PreparedKey},
    id::{KeyName, KeySetId},
    port::{Clock, Host},
    problem::{Code, Problem},
    registry::{KeyHolding, Model},
    store::{JobRequest, StagedKeys, Store, put_off::Failed},
};

/// Keys that are read at once: while one is prepared the next ones are on their way, and no more of them are
/// in memory as they travel.
const READ_AHEAD: usize = 4;

/// Where the keys of a job come from.
pub(super) enum JobKeys<'a, K> {
    /// From memory.
    Together(Arc<EvaluationKeys>),
    /// From the store, one at a time.
    OneAtATime(KeysOneAtATime<'a, K>),
}

/// Reads and prepares a key whenever it is asked for it.
pub(super) struct KeysOneAtATime<'a, K> {
    staged: K,
    model: &'a Model,
    /// Why there was no key the first time that there was none.
    halt: RefCell<Option<Halt>>,
}

impl<K: StagedKeys> KeysOneAtATime<'_, K> {
    fn read(&self, name: KeyName) -> Result<PreparedKey, Halt> {
        let gone = || key_gone(name);
        let requirement = self.model.evaluation_keys().get(&name).ok_or_else(gone)?;
        let bytes =
            self.staged.key(name).map_err(|error| Halt::Store(Failed::Midway, error))?.ok_or_else(gone)?;
        Ok(decode::prepare_key(self.model.params(), name, requirement.level, bytes)?)
    }

    /// Prepares a key; why there is none is kept, and the core is told that it is missing.
    fn prepare(&self, name: KeyName) -> Option<PreparedKey> {
        match self.read(name) {
            Ok(key) => Some(key),
            Err(halt) => {
                self.halt.borrow_mut().get_or_insert(halt);
                None
            }
        }
    }
}

impl<K: StagedKeys> JobKeys<'_, K> {
    /// Why the source failed, if it did.
    pub(super) fn into_halt(self) -> Option<Halt> {
        match self {
            Self::Together(_) => None,
            Self::OneAtATime(keys) => keys.halt.into_inner(),
        }
    }
}

impl<K: StagedKeys> KeySource for JobKeys<'_, K> {
    fn are_at_hand(&self) -> bool {
        matches!(self, Self::Together(_))
    }

    fn relinearization(&self) -> Result<Cow<'_, RelinearizationKey>, Error> {
        match self {
            Self::Together(keys) => keys.relinearization().map(Cow::Borrowed),
            Self::OneAtATime(keys) => match keys.prepare(KeyName::Relinearization) {
                Some(PreparedKey::Relinearization(key)) => Ok(Cow::Owned(key)),
                _ => Err(Error::MissingRelinearizationKey),
            },
        }
    }

    fn galois(&self, element: GaloisElement) -> Result<Cow<'_, GaloisKey>, Error> {
        match self {
            Self::Together(keys) => keys.galois(element).map(Cow::Borrowed),
            Self::OneAtATime(keys) => match keys.prepare(KeyName::Galois(element.value())) {
                Some(PreparedKey::Galois(key)) => Ok(Cow::Owned(key)),
                _ => Err(Error::MissingGaloisKey { element }),
            },
        }
    }
}

impl<H: Host> Service<H> {
    /// Finds where the keys of a job come from: prepared all together, or staged in the store.
    pub(super) async fn keys_of<'a>(
        &self,
        request: &JobRequest,
        model: &'a Model,
        run: &Run,
    ) -> Result<JobKeys<'a, <H::Store as Store>::StagedKeys>, Halt> {
        let Some(id) = request.key_set else { return Ok(JobKeys::Together(Arc::default())) };
        match model.holding().keys {
            KeyHolding::Together => self.prepared_keys(request, model, id, run).await.map(JobKeys::Together),
            KeyHolding::OneAtATime => {
                let since = self.host.clock().elapsed();
                let names = model.evaluation_keys().keys().copied().collect();
                let staged = self.host.store().stage_keys(&request.tenant, id, names).await?;
                run.spans.prepared_keys(&self.host, since);
                Ok(JobKeys::OneAtATime(KeysOneAtATime { staged, model, halt: RefCell::default() }))
            }
        }
    }

    /// Finds the prepared keys of a set, or prepares them from the store.
    async fn prepared_keys(
        &self,
        request: &JobRequest,
        model: &Model,
        id: KeySetId,
        run: &Run,
    ) -> Result<Arc<EvaluationKeys>, Halt> {
        if let Some(keys) = self.prepared_keys.get(id) {
            self.metrics.key_cache("hit", 1);
            return Ok(keys);
        }
        self.metrics.key_cache("miss", 1);
        let since = self.host.clock().elapsed();
        // Before they are prepared, so that they and the cache are never in memory both.
        let evicted = self.prepared_keys.make_room(model.prepared_key_bytes());
        self.metrics.key_cache("eviction", evicted);
        let mut keys = EvaluationKeys::new();
        let mut wanted = model.evaluation_keys().iter();
        let mut reads = FuturesOrdered::new();
        loop {
            let more = wanted.by_ref().take(READ_AHEAD - reads.len());
            reads
                .extend(more.map(|(&name, requirement)| self.read_key(request, id, name, requirement.level)));
            let Some(read) = reads.next().await else { break };
            let (name, level, bytes) = read?;
            match decode::prepare_key(model.params(), name, level, bytes)? {
                PreparedKey::Relinearization(key) => keys.set_relinearization(key),
                PreparedKey::Galois(key) => keys.insert_galois(key),
            }
        }
        let keys = Arc::new(keys);
        run.spans.prepared_keys(&self.host, since);
        let evicted = self.prepared_keys.insert(id, Arc::clone(&keys), keys.bytes());
        self.metrics.key_cache("eviction", evicted);
        Ok(keys)
    }

    async fn read_key(
        &self,
        request: &JobRequest,
        id: KeySetId,
        name: KeyName,
        level: Level,
    ) -> Result<(KeyName, Level, Bytes), Halt> {
        let bytes = self.host.store().key(&request.tenant, id, name).await?;
        Ok((name, level, bytes.ok_or_else(|| key_gone(name))?))
    }
}

fn key_gone(name: KeyName) -> Problem {
    Problem::new(Code::EvaluationFailed, format!("The key {name} was deleted before the job ran."))
}
