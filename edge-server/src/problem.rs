//! What the service says when it refuses: RFC 9457 problem details with stable codes.
//!
//! The only place that knows the status of an error, its title and whether to retry it. The table
//! in `docs/api.md` is checked against [`Code::TABLE`] by a test.

use std::time::Duration;

use http::{HeaderName, StatusCode, header};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

/// Where the `type` of a problem starts; its code in kebab case follows.
const TYPE_BASE: &str = "https://encrypted-inference.dev/problems/";

macro_rules! codes {
    ($($(#[doc = $meaning:literal])+ $variant:ident = $name:literal, $status:ident, $retryable:literal, $title:literal;)+) => {
        /// Every error of the protocol.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[doc = $meaning])+ $variant,)+
        }

        impl Code {
            /// The documented table, in the order of validation.
            pub const TABLE: &[CodeEntry] = &[
                $(CodeEntry {
                    code: Self::$variant,
                    name: $name,
                    status: StatusCode::$status,
                    retryable: $retryable,
                    title: $title,
                    meaning: concat!($($meaning),+),
                },)+
            ];
        }
    };
}

codes! {
    /// No route has this path.
    NotFound = "NOT_FOUND", NOT_FOUND, false, "Not found";
    /// The path exists, the method does not; `Allow` lists those that do.
    MethodNotAllowed = "METHOD_NOT_ALLOWED", METHOD_NOT_ALLOWED, false, "Method not allowed";
    /// The bearer token is missing or unknown.
    Unauthorized = "UNAUTHORIZED", UNAUTHORIZED, false, "Unauthorized";
    /// The caller has sent more than its rate allows; `Retry-After` says when to try again.
    RateLimited = "RATE_LIMITED", TOO_MANY_REQUESTS, true, "Rate limited";
    /// `Accept` allows neither JSON nor CBOR.
    NotAcceptable = "NOT_ACCEPTABLE", NOT_ACCEPTABLE, false, "Not acceptable";
    /// `Content-Type` is not one that the route reads, or the body is compressed.
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE", UNSUPPORTED_MEDIA_TYPE, false, "Unsupported media type";
    /// The body is longer than the route accepts.
    PayloadTooLarge = "PAYLOAD_TOO_LARGE", PAYLOAD_TOO_LARGE, false, "Payload too large";
    /// The server holds as many bytes of bodies as it may; `Retry-After` says when to try again.
    Overloaded = "OVERLOADED", SERVICE_UNAVAILABLE, true, "Overloaded";
    /// The body did not arrive in time.
    RequestTimeout = "REQUEST_TIMEOUT", REQUEST_TIMEOUT, true, "Request timeout";
    /// The body is not well-formed JSON or CBOR.
    MalformedBody = "MALFORMED_BODY", BAD_REQUEST, false, "Malformed body";
    /// The body speaks a version of the protocol that the server does not.
    UnsupportedApiVersion = "UNSUPPORTED_API_VERSION", BAD_REQUEST, false, "Unsupported API version";
    /// The body or a header does not match its schema; `pointer` says where.
    InvalidEnvelope = "INVALID_ENVELOPE", BAD_REQUEST, false, "Invalid envelope";
    /// The `Idempotency-Key` was used before with another request.
    IdempotencyConflict = "IDEMPOTENCY_CONFLICT", CONFLICT, false, "Idempotency conflict";
    /// No model has this name and version.
    UnknownModel = "UNKNOWN_MODEL", NOT_FOUND, false, "Unknown model";
    /// No job of the caller has this identifier.
    UnknownJob = "UNKNOWN_JOB", NOT_FOUND, false, "Unknown job";
    /// No key set of the caller has this identifier.
    UnknownKey = "UNKNOWN_KEY", NOT_FOUND, false, "Unknown key set";
    /// The model needs no key of this name.
    UnknownKeyName = "UNKNOWN_KEY_NAME", NOT_FOUND, false, "Unknown key name";
    /// A payload is not written in the encoding it names.
    InvalidPayloadEncoding = "INVALID_PAYLOAD_ENCODING", BAD_REQUEST, false, "Invalid payload encoding";
    /// A payload is not a well-formed ciphertext.
    InvalidCiphertext = "INVALID_CIPHERTEXT", BAD_REQUEST, false, "Invalid ciphertext";
    /// A ciphertext hides nothing: its second component is zero.
    TransparentCiphertext = "TRANSPARENT_CIPHERTEXT", BAD_REQUEST, false, "Transparent ciphertext";
    /// An uploaded key is not a well-formed key of its name.
    InvalidKey = "INVALID_KEY", BAD_REQUEST, false, "Invalid key";
    /// A ciphertext or key belongs to another parameter set.
    ParameterMismatch = "PARAMETER_MISMATCH", CONFLICT, false, "Parameter mismatch";
    /// A ciphertext or key has another level than the model needs.
    LevelMismatch = "LEVEL_MISMATCH", CONFLICT, false, "Level mismatch";
    /// A ciphertext has another scale than the model needs.
    ScaleMismatch = "SCALE_MISMATCH", CONFLICT, false, "Scale mismatch";
    /// A different key was uploaded under this name before.
    KeyConflict = "KEY_CONFLICT", CONFLICT, false, "Key conflict";
    /// The model needs evaluation keys, and the request names none.
    EvaluationKeysRequired = "EVALUATION_KEYS_REQUIRED", CONFLICT, false, "Evaluation keys required";
    /// The key set was made for another model.
    KeyModelMismatch = "KEY_MODEL_MISMATCH", CONFLICT, false, "Key set of another model";
    /// Keys of the set have not been uploaded yet.
    EvaluationKeysIncomplete = "EVALUATION_KEYS_INCOMPLETE", CONFLICT, false, "Evaluation keys incomplete";
    /// The batch has more samples than the model takes at once.
    BatchTooLarge = "BATCH_TOO_LARGE", BAD_REQUEST, false, "Batch too large";
    /// The number of inputs is not that of the ciphertexts that a batch takes.
    InputCountMismatch = "INPUT_COUNT_MISMATCH", BAD_REQUEST, false, "Input count mismatch";
    /// The caller has as many key sets, or bytes of keys, as it may.
    KeyQuotaExceeded = "KEY_QUOTA_EXCEEDED", FORBIDDEN, false, "Key quota exceeded";
    /// The caller has as many jobs waiting as it may; `Retry-After` says when to try again.
    TooManyJobs = "TOO_MANY_JOBS", TOO_MANY_REQUESTS, true, "Too many jobs";
    /// Too many jobs are waiting; `Retry-After` says when to try again.
    QueueFull = "QUEUE_FULL", SERVICE_UNAVAILABLE, true, "Queue full";
    /// The evaluation of an accepted job failed.
    EvaluationFailed = "EVALUATION_FAILED", INTERNAL_SERVER_ERROR, true, "Evaluation failed";
    /// An accepted job was not finished before its deadline.
    DeadlineExceeded = "DEADLINE_EXCEEDED", GATEWAY_TIMEOUT, true, "Deadline exceeded";
    /// The server is starting or stopping, or its store does not answer.
    NotReady = "NOT_READY", SERVICE_UNAVAILABLE, true, "Not ready";
    /// The server can neither read nor keep anything now; `Retry-After` says when to try again.
    StoreUnavailable = "STORE_UNAVAILABLE", SERVICE_UNAVAILABLE, true, "Store unavailable";
    /// The server failed for a reason that is not the caller's.
    Internal = "INTERNAL", INTERNAL_SERVER_ERROR, true, "Internal error";
}

/// One row of the table of errors.
#[derive(Clone, Copy, Debug)]
pub struct CodeEntry {
    /// The error.
    pub code: Code,
    /// Its stable name.
    pub name: &'static str,
    /// The HTTP status it is sent with.
    pub status: StatusCode,
    /// Whether the same request can succeed later, unchanged.
    pub retryable: bool,
    /// Its short description.
    pub title: &'static str,
    /// When it is sent.
    pub meaning: &'static str,
}

impl Code {
    /// The row of this code.
    #[must_use]
    pub fn entry(self) -> &'static CodeEntry {
        &Self::TABLE[self as usize]
    }

    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.entry().name
    }

    /// Finds a code by its stable name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::TABLE.iter().find(|entry| entry.name == name).map(|entry| entry.code)
    }

    /// The `type` of the problem: an identifier, and the page that explains it.
    #[must_use]
    pub fn type_uri(self) -> String {
        format!("{TYPE_BASE}{}", self.name().to_ascii_lowercase().replace('_', "-"))
    }
}

/// A refusal, as data. Holds no payload, key or tenant data.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem(Box<Content>);

#[derive(Clone, Debug, PartialEq)]
struct Content {
    code: Code,
    detail: String,
    expected: Option<Value>,
    found: Option<Value>,
    pointer: Option<String>,
    retry_after: Option<u64>,
    /// Further headers that belong to it.
    headers: Vec<(HeaderName, String)>,
}

/// Longest detail that is sent; names chosen by the caller may be in it.
const MAX_DETAIL: usize = 400;

impl Problem {
    /// Makes a problem with a sentence for people.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        if let Some((end, _)) = detail.char_indices().nth(MAX_DETAIL) {
            detail.truncate(end);
        }
        let none = Content {
            code,
            detail,
            expected: None,
            found: None,
            pointer: None,
            retry_after: None,
            headers: Vec::new(),
        };
        Self(Box::new(none))
    }

    /// Makes the problem of a failure that is not the caller's; the reason goes to the log only.
    #[must_use]
    pub fn internal(reason: &dyn std::fmt::Display) -> Self {
        tracing::error!(%reason, "internal error");
        Self::new(Code::Internal, "The server failed; the operator's log has the reason.")
    }

    /// Says what would have been accepted.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<Value>) -> Self {
        self.0.expected = Some(expected.into());
        self
    }

    /// Says what was found instead.
    #[must_use]
    pub fn found(mut self, found: impl Into<Value>) -> Self {
        self.0.found = Some(found.into());
        self
    }

    /// Points at the offending part of the body (RFC 6901).
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.0.pointer = Some(pointer.into());
        self
    }

    /// Says after how long to try again: whole seconds, at least one.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait.as_secs_f64().ceil().max(1.0) as u64);
        self
    }

    /// Lists the methods that the route has.
    #[must_use]
    pub fn allow(self, methods: impl Into<String>) -> Self {
        self.with_headers([(header::ALLOW, methods.into())])
    }

    /// Adds headers that belong to it.
    #[must_use]
    pub fn with_headers(mut self, headers: impl IntoIterator<Item = (HeaderName, String)>) -> Self {
        self.0.headers.extend(headers);
        self
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The sentence for people.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The status it is sent with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.code.entry().status
    }

    /// The headers that belong to it.
    pub fn headers(&self) -> impl Iterator<Item = (HeaderName, String)> + '_ {
        let retry = self.0.retry_after.map(|seconds| (header::RETRY_AFTER, seconds.to_string()));
        let challenge = (self.0.code == Code::Unauthorized)
            .then(|| (header::WWW_AUTHENTICATE, "Bearer realm=\"encrypted-inference\"".to_owned()));
        retry.into_iter().chain(challenge).chain(self.0.headers.iter().cloned())
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.0.code.name(), self.0.detail)
    }
}

impl std::error::Error for Problem {}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Content { code, detail, expected, found, pointer, .. } = &*self.0;
        let entry = code.entry();
        let extras = [("expected", expected), ("found", found)];
        let present = extras.iter().filter(|(_, value)| value.is_some()).count();
        let mut map = serializer.serialize_map(Some(6 + present + usize::from(pointer.is_some())))?;
        map.serialize_entry("type", &code.type_uri())?;
        map.serialize_entry("title", entry.title)?;
        map.serialize_entry("status", &entry.status.as_u16())?;
        map.serialize_entry("code", entry.name)?;
        map.serialize_entry("detail", detail)?;
        map.serialize_entry("retryable", &entry.retryable)?;
        for (name, value) in extras {
            if let Some(value) = value {
                map.serialize_entry(name, value)?;
            }
        }
        if let Some(pointer) = pointer {
            map.serialize_entry("pointer", pointer)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_row_of_every_code_is_its_own() {
        for entry in Code::TABLE {
            assert_eq!(entry.code.entry().name, entry.name);
            assert_eq!(Code::from_name(entry.name), Some(entry.code));
            let later = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
            let may_change = entry.status.is_server_error() || later.contains(&entry.status);
            assert_eq!(entry.retryable, may_change, "{}", entry.name);
        }
    }

    #[test]
    fn detail_is_bounded() {
        let problem = Problem::new(Code::MalformedBody, "é".repeat(1000));
        assert_eq!(problem.detail().chars().count(), MAX_DETAIL);
    }
}
