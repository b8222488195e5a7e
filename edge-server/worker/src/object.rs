//! The Durable Object that is the service.

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
};

use edge_server::{Host, Service, port::Clock, store::StoreError};
use futures_channel::mpsc::UnboundedReceiver;
use futures_util::{
    FutureExt, StreamExt,
    future::{LocalBoxFuture, Shared},
};
use wasm_bindgen_futures::spawn_local;
use worker::{DurableObject, Env, Error, Request, Response, Result, State, durable_object};

use crate::{
    answer::respond,
    clock::{RuntimeClock, RuntimeEntropy},
    executor::Signals,
    host::WorkerHost,
    isolate::{self, Running},
    log, request, settings,
    store::ObjectStore,
};

/// Where the operator is answered.
const ADMIN: &str = "/admin";

type Starting = Shared<LocalBoxFuture<'static, Result<Weak<Running>, Rc<str>>>>;

/// The service, once it has started.
#[durable_object(alarm)]
pub struct InferenceService {
    state: Rc<State>,
    env: Env,
    starting: RefCell<Option<Starting>>,
}

impl DurableObject for InferenceService {
    fn new(state: State, env: Env) -> Self {
        log::start();
        Self { state: Rc::new(state), env, starting: RefCell::default() }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let running = self.running().await?;
        let Running { service, operator } = &*running;
        let request = request::read(&request)?;
        let admin = request.uri().path().strip_prefix(ADMIN).filter(|_| operator.knows(request.headers()));
        let answer = match admin {
            Some(path) => {
                let path = if path.is_empty() { "/" } else { path };
                service.handle_admin(request.method(), path, request.headers()).await
            }
            None => service.handle(request).await,
        };
        respond(answer)
    }

    /// Evaluates what an isolate that is gone has left, forgets what is old, and comes again.
    async fn alarm(&self) -> Result<Response> {
        keep_up(&self.running().await?.service).await.map_err(|error| Error::RustError(error.to_string()))?;
        Response::empty()
    }
}

impl InferenceService {
    /// The service; the first event starts it. A start that failed is tried again by the next one.
    async fn running(&self) -> Result<Rc<Running>> {
        let starting = self
            .starting
            .borrow_mut()
            .get_or_insert_with(|| start(Rc::clone(&self.state), self.env.clone()).boxed_local().shared())
            .clone();
        let started = starting.await.and_then(|running| {
            running.upgrade().ok_or_else(|| Rc::from("another object has taken this one's place"))
        });
        started.map_err(|reason| {
            self.starting.take();
            tracing::error!(%reason, "the service did not start");
            Error::RustError(reason.to_string())
        })
    }
}

async fn start(state: Rc<State>, env: Env) -> Result<Weak<Running>, Rc<str>> {
    fn failed(error: impl ToString) -> Rc<str> {
        error.to_string().into()
    }
    isolate::end_former();
    let bucket = env.bucket("BUCKET").map_err(failed)?;
    let models = isolate::models(&bucket).await.map_err(failed)?;
    let mut settings = settings::read(&env)?;
    models.share(&mut settings);
    let (executor, signals) = Signals::new();
    let host = WorkerHost {
        store: ObjectStore::open(&state, bucket, settings.lease).await.map_err(failed)?,
        clock: RuntimeClock::default(),
        executor,
        entropy: RuntimeEntropy,
    };
    let service = Service::new(host, models.registry, settings).map_err(failed)?;
    let resumed = service.resume().await.map_err(failed)?;
    if resumed > 0 {
        tracing::info!(jobs = resumed, "unfinished jobs run again");
    }
    let running = isolate::keep(Running { service, operator: settings::operator(&env)? });
    spawn_local(evaluate(Weak::clone(&running), signals));
    Ok(running)
}

/// Evaluates what waits whenever it is told to, until the object is gone and with it who tells.
async fn evaluate(running: Weak<Running>, mut signals: UnboundedReceiver<()>) {
    while signals.next().await.is_some() {
        let Some(running) = running.upgrade() else { return };
        // One run is for all jobs that are stored by now.
        while signals.try_recv().is_ok() {}
        if let Err(error) = running.service.run_all().await {
            tracing::error!(%error, "a job could not be taken or finished; it stays in the store");
        }
    }
}

async fn keep_up(service: &Service<WorkerHost>) -> Result<(), StoreError> {
    // Set before the work: if that ends the isolate, somebody comes again.
    service.host().store().alarm_rang(service.host().clock().now()).await?;
    let ran = service.run_all().await;
    // What is old is forgotten although a job could not be taken or finished.
    service.sweep().await?;
    ran
}
