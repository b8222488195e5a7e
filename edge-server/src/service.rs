//! The service: one request in, one response out, and jobs run in between.
//!
//! Knows the protocol and its order of validation; knows no socket, no disk and no runtime.

mod discovery;
mod infer;
mod job;
mod key_set;
mod reply;
mod run;

use std::{pin::pin, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use tracing::Instrument;

use self::reply::Reply;
use crate::{
    body,
    cache::ByteCache,
    completion::Completions,
    envelope::{Envelopes, SchemaError},
    header,
    id::{JobId, KeySetId, TenantId},
    media::Media,
    port::{Clock, Executor, Host},
    problem::Problem,
    registry::Registry,
    route::{self, Operation, Route},
    settings::Settings,
    store::{Store, StoreError},
};

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
}

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
    /// [`SchemaError`], a defect of the build.
    pub fn new(host: H, registry: Arc<Registry>, settings: Settings) -> Result<Self, SchemaError> {
        Ok(Self {
            envelopes: Envelopes::new()?,
            discovery: discovery::Discovery::new(&registry),
            completions: Completions::default(),
            prepared_keys: ByteCache::new(settings.key_cache_bytes),
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

    /// Queues every job that was accepted but not finished before the process started, and says
    /// how many there are.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn resume(&self) -> Result<usize, StoreError> {
        let jobs = self.host.store().unfinished_jobs().await?;
        let count = jobs.len();
        for job in jobs {
            self.host.executor().resume(job);
        }
        Ok(count)
    }

    /// Answers a request. Never fails: what goes wrong is in the response.
    pub async fn handle<B: http_body::Body>(&self, request: Request<B>) -> Response<Bytes>
    where
        B::Error: std::fmt::Display,
    {
        let (parts, body) = request.into_parts();
        let started = self.host.clock().elapsed();
        let id = header::request_id(&parts.headers)
            .unwrap_or_else(|| JobId::random(self.host.entropy()).to_string());
        let origin = parts.headers.get(http::header::ORIGIN).cloned();
        let span = tracing::info_span!("request", %id, method = %parts.method, path = parts.uri.path());
        async {
            let reply = self.answer(parts, body).await;
            let took = self.host.clock().elapsed().saturating_sub(started);
            tracing::info!(
                status = reply.status().as_u16(),
                code = reply.code().map_or("", crate::Code::name),
                bytes = reply.body().len(),
                milliseconds = took.as_secs_f64() * 1e3,
                "answered"
            );
            reply.into_response(&self.settings.origins, origin.as_ref(), &id)
        }
        .instrument(span)
        .await
    }

    async fn answer<B: http_body::Body>(&self, parts: Parts, body: B) -> Reply
    where
        B::Error: std::fmt::Display,
    {
        // A caller that accepts neither form is told so in JSON.
        let media = Media::of_response(&parts.headers);
        let problem_media = *media.as_ref().unwrap_or(&Media::Json);
        let path = parts.uri.path().to_owned();
        let is_discarded = body::is_discarded(&parts.headers);
        let mut body = pin!(body);
        let answer = async {
            match route::resolve(&parts.method, &path)? {
                Route::Options(methods) => Ok(Reply::options(methods)),
                Route::Operation(operation, parameters) => {
                    let parameters = parameters.into_iter().map(str::to_owned).collect();
                    self.perform(operation, parameters, parts, media, body.as_mut()).await
                }
            }
        };
        match answer.await {
            Ok(reply) => reply,
            Err(problem) => {
                if is_discarded {
                    body::discard(body).await;
                }
                Reply::problem(problem_media, problem)
            }
        }
    }

    async fn perform<B: http_body::Body>(
        &self,
        operation: Operation,
        parameters: Vec<String>,
        parts: Parts,
        media: Result<Media, Problem>,
        body: B,
    ) -> Result<Reply, Problem>
    where
        B::Error: std::fmt::Display,
    {
        match operation {
            Operation::ReadOpenApi => return Ok(discovery::openapi()),
            Operation::ReadSchema => return discovery::schema(parameters.first().map_or("", String::as_str)),
            Operation::Health => return Reply::json_or_cbor(media?, &discovery::health()),
            _ => {}
        }
        let tenant = self.settings.access.tenant(&parts.headers)?;
        let call = Call { tenant, media: media?, parameters, parts };
        match operation {
            Operation::ListModels => Ok(self.discovery.models(&call)),
            Operation::ListParameterSets => Ok(self.discovery.parameter_sets(&call)),
            Operation::OpenKeySet => self.open_key_set(&call, body).await,
            Operation::ReadKeySet => self.read_key_set(&call).await,
            Operation::DeleteKeySet => self.delete_key_set(&call).await,
            Operation::PutKey => self.put_key(&call, body).await,
            Operation::Infer => self.infer(&call, body).await,
            Operation::ReadJob => self.read_job(&call).await,
            Operation::Health | Operation::ReadOpenApi | Operation::ReadSchema => {
                Err(Problem::internal(&"an operation was answered twice"))
            }
        }
    }

    /// Reads a body that is a document, after its headers have been judged.
    async fn read_body<B: http_body::Body>(
        &self,
        call: &Call,
        body: B,
        limit: usize,
    ) -> Result<(Media, Bytes), Problem>
    where
        B::Error: std::fmt::Display,
    {
        let media = Media::of_body(&call.parts.headers)?;
        Ok((media, body::read(&call.parts.headers, body, limit).await?))
    }
}

/// Turns a failure of the store into a problem that says nothing about it.
fn store_failed(error: StoreError) -> Problem {
    Problem::internal(&error)
}

/// The paths of things that were made.
fn job_path(id: JobId) -> String {
    format!("/jobs/{id}")
}

fn key_set_path(id: KeySetId) -> String {
    format!("/keys/{id}")
}

/// SHA-256 over everything that makes two requests the same.
fn fingerprint(parts: &Parts, media: Media, body: &[u8]) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    for part in [parts.method.as_str(), parts.uri.path(), media.content_type()] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.update(body);
    hash.finalize().into()
}
