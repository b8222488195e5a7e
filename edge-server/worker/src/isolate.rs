//! What outlives an object. An object that is idle is put away and made anew at the next request, often
//! in the same isolate, whose memory the former one has not given back: the models are loaded once for
//! all of them, and a new one ends the former.

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
    sync::Arc,
};

use edge_server::{Access, CheckedPackages, Grant, Registry, Service, Settings, Shares, hold};
use worker::{Bucket, Error, Result};

use crate::{
    host::{WorkerHost, memory_bytes},
    memory, packages,
};

/// The models of an isolate.
#[derive(Clone)]
pub(crate) struct Models {
    pub(crate) registry: Arc<Registry>,
    /// What the module had in use when they were loaded.
    loaded: usize,
    /// How the rest of it is divided.
    shares: Shares,
}

impl Models {
    /// Sets what the service may take.
    pub(crate) fn share(&self, settings: &mut Settings) {
        let Shares { body_bytes, evaluation_bytes, key_cache_bytes } = self.shares;
        (settings.body_bytes, settings.evaluation_bytes) = (body_bytes, evaluation_bytes);
        settings.key_cache_bytes = key_cache_bytes;
        tracing::info!(
            loaded = self.loaded,
            grown = memory_bytes(),
            bodies = body_bytes,
            evaluations = evaluation_bytes,
            prepared_keys = key_cache_bytes,
            "memory"
        );
    }
}

/// What an event needs.
pub(crate) struct Running {
    pub(crate) service: Service<WorkerHost>,
    /// Who is answered as the operator.
    pub(crate) operator: Access,
}

thread_local! {
    static MODELS: RefCell<Option<Models>> = const { RefCell::new(None) };
    static RUNNING: RefCell<Option<Rc<Running>>> = const { RefCell::new(None) };
}

/// The models, loaded from the bucket by the first object that asks.
pub(crate) async fn models(bucket: &Bucket) -> Result<Models> {
    if let Some(models) = MODELS.with_borrow(Clone::clone) {
        return Ok(models);
    }
    let Grant { taken: before, .. } = memory::grant();
    let mut packages = CheckedPackages::new().map_err(failed)?;
    packages::read(bucket, |files| packages.add(files).map_err(failed)).await?;
    let grant = memory::grant();
    tracing::info!(before, checked = grant.taken, grown = memory_bytes(), "packages checked");
    let held = hold(&packages.figures(), grant).map_err(failed)?;
    let registry = packages.prepare(&held).map_err(failed)?;
    memory::check_values(&registry).map_err(failed)?;
    let grant = memory::grant();
    let shares = registry.divide(grant).map_err(failed)?;
    let models = Models { registry: Arc::new(registry), loaded: grant.taken, shares };
    MODELS.set(Some(models.clone()));
    Ok(models)
}

fn failed(error: impl ToString) -> Error {
    Error::RustError(error.to_string())
}

/// Forgets the object before this one, with all that it has in memory.
pub(crate) fn end_former() {
    RUNNING.take();
}

/// Keeps what a new object runs with for as long as no newer one starts.
pub(crate) fn keep(running: Running) -> Weak<Running> {
    let running = Rc::new(running);
    let weak = Rc::downgrade(&running);
    RUNNING.set(Some(running));
    weak
}
