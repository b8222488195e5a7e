//! The service: one request in, one response out, and jobs run in between.
//!
//! Knows the protocol and its order of validation; knows no socket, no disk and no runtime.

mod admin;
mod discovery;
mod halt;
mod infer;
mod job;
mod key_set;
mod keys;
mod limits;
mod phase;
mod repetition;
mod run;
mod running;
mod spans;
mod upkeep;

use std::{fmt, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use tracing::Instrument;

pub use self::run::{Evaluated, Next};
use self::{phase::Phase, running::Running};
use crate::{
    access::{self, Access, Credential},
    body::{self, Patience},
    budget::{Budget, Exhausted, SharedBudget, TenantLoan},
    cache::ByteCache,
    completion::Completions,
    envelope::{Envelopes, SchemaError},
    header,
    id::{JobId, KeySetId, ModelKey, TenantId, WorkerId},
    media::Media,
    metrics::Metrics,
    port::{Clock, Executor, Host, Timestamp},
    problem::{Code, Problem},
    rate::{self, Rates},
    registry::{self, Model, Registry},
    reply::Reply,
    route::{self, Operation, Route},
    settings::{Settings, TenantLimits},
    store::{Store, StoreError},
};

/// How long a caller should wait before he asks a store that failed again.
const STORE_RETRY: Duration = Duration::from_secs(5);
/// The same for memory that others' bodies take.
const BODY_RETRY: Duration = Duration::from_secs(1);

/// The service on one host.
#[derive(Debug)]
pub struct Service<H> {
    host: H,
    registry: Arc<Registry>,
    settings: Settings,
    envelopes: Envelopes,
    discovery: discovery::Discovery,
    completions: Completions,
    prepared_keys: ByteCache<KeySetId, ckks_core::EvaluationKeys>,
    rates: Rates,
    bodies: SharedBudget,
    evaluations: Budget,
    /// One for each job that may run beside others; one that was interrupted often takes all of them.
    places: Budget,
    running: Running,
    metrics: Metrics,
    /// This process, as the store knows it.
    worker: WorkerId,
    /// When the service was made, by both clocks.
    made: (Timestamp, Duration),
    phase: Phase,
}

/// Why there is no service.
#[derive(Debug)]
pub enum ServiceError {
    /// A published schema is not right, a defect of the build.
    Schema(SchemaError),
    /// A model takes more memory than the settings grant.
    Memory {
        /// The model.
        model: ModelKey,
        /// The setting.
        setting: &'static str,
        /// Bytes that the model needs.
        needed: usize,
        /// Bytes that are granted.
        granted: usize,
    },
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema(error) => error.fmt(f),
            Self::Memory { model, setting, needed, granted } => {
                write!(f, "model {model} needs {needed} bytes of {setting}, granted are {granted}; raise it")
            }
        }
    }
}

impl std::error::Error for ServiceError {}

/// A request whose route, caller and wanted form are known.
struct Call {
    parts: Parts,
    tenant: TenantId,
    media: Media,
    /// How to name the request in the log.
    parameters: Vec<String>,
}

impl Call {
    /// A parameter of the path; routes and operations agree on how many there are.
    fn parameter(&self, index: usize) -> &str {
        self.parameters.get(index).map_or("", String::as_str)
    }
}

impl<H: Host> Service<H> {
    /// Makes the service of a host for a registry of models.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub fn new(host: H, registry: Arc<Registry>, settings: Settings) -> Result<Self, ServiceError> {
        // Threads that share evaluations keep what they have worked with.
        let figures = registry.models().map(Model::figures);
        let kept = registry::kept_by_helpers(figures, host.executor().parallelism());
        let evaluation_bytes = settings.evaluation_bytes.saturating_sub(kept);
        for model in registry.models() {
            let body = body::COPIES * registry.limits().infer_bytes;
            for (setting, needed, granted) in [
                ("evaluation memory", model.evaluation_bytes() + kept, settings.evaluation_bytes),
                ("body memory", body, settings.body_bytes),
            ] {
                if needed > granted {
                    let model = model.key().clone();
                    return Err(ServiceError::Memory { model, setting, needed, granted });
                }
            }
        }
        Ok(Self {
            envelopes: Envelopes::new().map_err(ServiceError::Schema)?,
            discovery: discovery::Discovery::new(&registry),
            completions: Completions::default(),
            prepared_keys: ByteCache::new(settings.key_cache_bytes),
            rates: Rates::default(),
            // With tokens a tenant leaves half to the others; where access is open, all are one tenant.
            bodies: SharedBudget::new(
                settings.body_bytes,
                if matches!(settings.access, Access::Open) {
                    settings.body_bytes
                } else {
                    settings.body_bytes / 2
                },
            ),
            evaluations: Budget::new(evaluation_bytes),
            places: Budget::new(host.executor().parallelism().max(1)),
            running: Running::default(),
            metrics: Metrics::new(),
            worker: WorkerId::random(host.entropy()),
            made: (host.clock().now(), host.clock().elapsed()),
            phase: Phase::default(),
            host,
            registry,
            settings,
        })
    }

    /// The ports.
    pub fn host(&self) -> &H {
        &self.host
    }

    /// The models.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The time of day, but never ahead of what has passed since the start: a clock that jumps
    /// forward makes nothing old.
    fn now(&self) -> Timestamp {
        let (wall, elapsed) = self.made;
        let clock = self.host.clock();
        clock.now().min(wall.after(clock.elapsed().saturating_sub(elapsed)))
    }

    fn patience(&self) -> Patience {
        Patience { silence: self.settings.body_silence, time: self.settings.body_time }
    }

    /// Answers a request. Never fails: what goes wrong is in the response.
    pub async fn handle<B: http_body::Body>(&self, request: Request<B>) -> Response<Bytes>
    where
        B::Error: fmt::Display,
    {
        let (mut parts, body) = request.into_parts();
        let started = self.host.clock().elapsed();
        let id = header::request_id(&parts.headers)
            .unwrap_or_else(|| JobId::random(self.host.entropy()).to_string());
        let origin = parts.headers.get(http::header::ORIGIN).cloned();
        let exported = self.begin_span(&parts.headers);
        let span = tracing::info_span!(
            "request",
            %id,
            method = %parts.method,
            path = parts.uri.path(),
            trace = exported.as_ref().map(|span| span.context.trace_id()),
        );
        if let Some(exported) = &exported {
            parts.extensions.insert(exported.context);
        }
        async {
            let (operation, reply) = self.answer(parts, body).await;
            let took = self.host.clock().elapsed().saturating_sub(started);
            let (status, code) = (reply.status().as_u16(), reply.code());
            self.metrics.answered(operation, status, code, took);
            self.metrics.moved(0, reply.body().len());
            tracing::info!(
                status,
                code = code.map_or("", Code::name),
                bytes = reply.body().len(),
                milliseconds = took.as_secs_f64() * 1e3,
                "answered"
            );
            if let Some(exported) = exported {
                self.end_span(exported, operation, &id, &reply);
            }
            reply.into_response(&self.settings.origins, origin.as_ref(), &id)
        }
        .instrument(span)
        .await
    }

    async fn answer<B: http_body::Body>(&self, parts: Parts, body: B) -> (Option<Operation>, Reply)
    where
        B::Error: fmt::Display,
    {
        // A caller that accepts neither form is told so in JSON.
        let media = Media::of_response(&parts.headers);
        let problem_media = *media.as_ref().unwrap_or(&Media::Json);
        let path = parts.uri.path().to_owned();
        let is_discarded = body::is_discarded(&parts.headers);
        let mut body = pin!(body);
        let (operation, answer) = match route::resolve(&parts.method, &path) {
            Err(problem) => (None, Err(problem)),
            Ok(Route::Options(methods)) => (None, Ok(Reply::options(methods))),
            Ok(Route::Operation(operation, parameters)) => {
                let parameters = parameters.into_iter().map(str::to_owned).collect();
                (Some(operation), self.perform(operation, parameters, parts, media, body.as_mut()).await)
            }
        };
        let reply = match answer {
            Ok(reply) => reply,
            Err(problem) => {
                if is_discarded {
                    body::discard(self.host.clock(), self.patience(), body).await;
                }
                Reply::problem(problem_media, problem)
            }
        };
        (operation, reply)
    }

    /// Performs an operation, within what its caller may do.
    async fn perform<B: http_body::Body>(
        &self,
        operation: Operation,
        parameters: Vec<String>,
        parts: Parts,
        media: Result<Media, Problem>,
        body: B,
    ) -> Result<Reply, Problem>
    where
        B::Error: fmt::Display,
    {
        match operation {
            Operation::ReadOpenApi => return Ok(discovery::openapi()),
            Operation::ReadSchema => return discovery::schema(parameters.first().map_or("", String::as_str)),
            Operation::Health => return Reply::json_or_cbor(media?, &discovery::health()),
            Operation::Ready => return self.ready(media?).await,
            _ => {}
        }
        let tenant = self.tenant(&parts).await?;
        let remaining = self.rates.admit(&tenant, self.limits_of(&tenant), self.host.clock().elapsed())?;
        let rate_headers = rate::headers(&remaining);
        let call = async {
            let call = Call { tenant: tenant.clone(), media: media?, parameters, parts };
            self.dispatch(operation, &call, body).await
        };
        match call.await {
            Ok(reply) => {
                self.rates.charge(&tenant, reply.body().len());
                Ok(rate_headers.iter().fold(reply, |reply, (name, value)| reply.with(name.clone(), value)))
            }
            Err(problem) => Err(problem.with_headers(rate_headers)),
        }
    }

    async fn dispatch<B: http_body::Body>(
        &self,
        operation: Operation,
        call: &Call,
        body: B,
    ) -> Result<Reply, Problem>
    where
        B::Error: fmt::Display,
    {
        match operation {
            Operation::ListModels => Ok(self.discovery.models(call)),
            Operation::ListParameterSets => Ok(self.discovery.parameter_sets(call)),
            Operation::OpenKeySet => self.open_key_set(call, body).await,
            Operation::ReadKeySet => self.read_key_set(call).await,
            Operation::DeleteKeySet => self.delete_key_set(call).await,
            Operation::PutKey => self.put_key(call, body).await,
            Operation::Infer => self.infer(call, body).await,
            Operation::ReadJob => self.read_job(call).await,
            Operation::DeleteJob => self.delete_job(call).await,
            Operation::ReadLimits => self.read_limits(call).await,
            Operation::Health | Operation::Ready | Operation::ReadOpenApi | Operation::ReadSchema => {
                Err(Problem::internal(&"an operation was answered twice"))
            }
        }
    }

    /// Tells whose request this is.
    async fn tenant(&self, parts: &Parts) -> Result<TenantId, Problem> {
        match self.settings.access.credential(&parts.headers)? {
            Credential::Tenant(tenant) => Ok(tenant),
            Credential::Hash(hash) => {
                let record = self.host.store().token(hash).await.map_err(store_failed)?;
                access::admit(record, self.host.clock().now())
            }
        }
    }

    fn limits_of(&self, tenant: &TenantId) -> &TenantLimits {
        self.settings.limits_of(tenant)
    }

    /// Reads a body, with its memory accounted to `copies` times its length, or what the shortest one takes, for as
    /// long as the loan lives.
    async fn receive<B: http_body::Body>(
        &self,
        call: &Call,
        body: B,
        limit: usize,
        copies: usize,
    ) -> Result<(Bytes, TenantLoan), Problem>
    where
        B::Error: fmt::Display,
    {
        let expected = body::expected_bytes(&call.parts.headers, limit);
        let loan = self.bodies.try_take(&call.tenant, (copies * expected).max(body::LEAST_BYTES)).map_err(
            |exhausted| {
                let detail = match exhausted {
                    Exhausted::Share => {
                        "Your requests under way take all the memory that one tenant gets for bodies."
                    }
                    Exhausted::Total => "Others' requests take all the memory there is for bodies.",
                };
                Problem::new(Code::Overloaded, detail).retry_after(BODY_RETRY)
            },
        )?;
        let clock = self.host.clock();
        let bytes = body::read(clock, self.patience(), &call.parts.headers, body, limit).await?;
        self.metrics.moved(bytes.len(), 0);
        self.rates.charge(&call.tenant, bytes.len());
        Ok((bytes, loan))
    }

    /// Reads a body that is a document, after its headers have been judged.
    async fn receive_document<B: http_body::Body>(
        &self,
        call: &Call,
        body: B,
        limit: usize,
    ) -> Result<(Media, Bytes, TenantLoan), Problem>
    where
        B::Error: fmt::Display,
    {
        let media = Media::of_body(&call.parts.headers)?;
        let (bytes, loan) = self.receive(call, body, limit, body::COPIES).await?;
        Ok((media, bytes, loan))
    }
}

/// Turns a failure of the store into a problem that says nothing about it.
fn store_failed(error: StoreError) -> Problem {
    tracing::error!(reason = %error, "the store failed");
    Problem::new(Code::StoreUnavailable, "The store does not answer; nothing was stored.")
        .retry_after(STORE_RETRY)
}

/// The paths of things that were made.
fn job_path(id: JobId) -> String {
    format!("/jobs/{id}")
}

fn key_set_path(id: KeySetId) -> String {
    format!("/keys/{id}")
}
