//! What outlives an object. An object that is idle is put away and made anew at the next request, often
//! in the same isolate, whose memory the former one has not given back: the models are loaded once for
//! all of them, and a new one ends the former.

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
    sync::Arc,
};

use edge_server::{Access, Registry, Service};
use worker::{Bucket, Error, Result};

use crate::{
    host::{WorkerHost, memory_bytes},
    packages,
};

/// The models of an isolate.
#[derive(Clone)]
pub(crate) struct Models {
    pub(crate) registry: Arc<Registry>,
    /// What the module's memory had grown to when they were loaded.
    pub(crate) loaded: usize,
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
    let registry = Registry::load(packages::read(bucket).await?);
    let registry = Arc::new(registry.map_err(|error| Error::RustError(error.to_string()))?);
    let models = Models { registry, loaded: memory_bytes() };
    MODELS.set(Some(models.clone()));
    Ok(models)
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
