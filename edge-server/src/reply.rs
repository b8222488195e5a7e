//! A response before it becomes HTTP: body, headers, and what every response carries.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header as names};
use serde::Serialize;

use crate::{
    header,
    media::Media,
    problem::{Code, Problem},
    settings::Origins,
};

/// Headers of requests that pages may send.
const ALLOWED_HEADERS: &str =
    "accept, authorization, content-type, idempotency-key, if-none-match, prefer, traceparent, x-request-id";
/// Headers of responses that pages may read.
const EXPOSED_HEADERS: &str =
    "etag, location, preference-applied, ratelimit, ratelimit-policy, retry-after, x-request-id";
/// How long, in seconds, a browser may remember that a preflight passed.
const PREFLIGHT_AGE: &str = "86400";

/// A response in the making.
#[derive(Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    code: Option<Code>,
}

impl Reply {
    /// A body of some type.
    pub(crate) fn new(content_type: &'static str, body: Bytes) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(names::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self { status: StatusCode::OK, headers, body, code: None }
    }

    /// A body in the form that the caller wants.
    pub(crate) fn json_or_cbor(media: Media, body: &impl Serialize) -> Result<Self, Problem> {
        Ok(Self::new(media.content_type(), media.write(body)?.into()))
    }

    /// A refusal.
    pub(crate) fn problem(media: Media, problem: Problem) -> Self {
        // A problem always serializes; should that ever change, its status still tells.
        let body = media.write(&problem).unwrap_or_default();
        let mut reply = Self::new(media.problem_type(), body.into());
        reply.status = problem.status();
        reply.code = Some(problem.code());
        for (name, value) in problem.headers() {
            reply.headers.insert(name, header::value(&value));
        }
        reply
    }

    /// No body.
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new(), code: None }
    }

    /// The answer to `OPTIONS`, which is also the answer to a browser's preflight.
    pub(crate) fn options(methods: String) -> Self {
        Self::empty(StatusCode::NO_CONTENT)
            .with(names::ALLOW, &methods)
            .with(names::ACCESS_CONTROL_ALLOW_METHODS, &methods)
            .with(names::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS)
            .with(names::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE)
    }

    /// Changes the status.
    pub(crate) fn status_is(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.insert(name, header::value(value));
        self
    }

    /// The status.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The error code, if it is a refusal.
    pub(crate) fn code(&self) -> Option<Code> {
        self.code
    }

    /// The body.
    pub(crate) fn body(&self) -> &Bytes {
        &self.body
    }

    /// Adds what every response carries.
    pub(crate) fn into_response(
        mut self,
        origins: &Origins,
        origin: Option<&HeaderValue>,
        request_id: &str,
    ) -> Response<Bytes> {
        self.headers.insert(header::REQUEST_ID, header::value(request_id));
        self.headers.insert(names::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        self.headers.entry(names::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        self.headers.insert(names::VARY, HeaderValue::from_static("accept, content-type, origin"));
        let allowed = match origins {
            Origins::Any => Some(HeaderValue::from_static("*")),
            Origins::Only(list) => origin
                .filter(|origin| list.iter().any(|allowed| origin.as_bytes() == allowed.as_bytes()))
                .cloned(),
        };
        if let Some(allowed) = allowed {
            self.headers.insert(names::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
            self.headers
                .insert(names::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED_HEADERS));
        }
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}
