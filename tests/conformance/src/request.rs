//! Sending requests: one function for all of HTTP, and bodies in both forms.

use std::{io, time::Duration};

use ciborium::Value as Cbor;
use http::{Method, Request};
use serde_json::{Value, json};
use ureq::Agent;

use crate::answer::Answer;

pub(crate) const JSON: &str = "application/json";
pub(crate) const CBOR: &str = "application/cbor";
pub(crate) const BYTES: &str = "application/octet-stream";

/// No answer of a server may take longer.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A server by its address, and the token that it is asked with.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) token: Option<String>,
    agent: Agent,
}

/// What is sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    anonymous: bool,
}

impl Sent {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: Vec::new(), anonymous: false }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn post(path: impl Into<String>, media: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new(Method::POST, path).header("content-type", media).body(body)
    }

    pub(crate) fn json(path: impl Into<String>, body: &Value) -> Self {
        Self::post(path, JSON, body.to_string())
    }

    pub(crate) fn cbor(path: impl Into<String>, body: &Cbor) -> Self {
        Self::post(path, CBOR, cbor_bytes(body))
    }

    pub(crate) fn put(path: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self::new(Method::PUT, path).header("content-type", BYTES).body(body)
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Replaces or removes a header.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Leaves the token out.
    pub(crate) fn anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }
}

/// Writes CBOR.
pub(crate) fn cbor_bytes(body: &Cbor) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to memory does not fail.
    let _ = ciborium::into_writer(body, &mut bytes);
    bytes
}

/// A tree of JSON as CBOR, with byte strings where `inputs[].encoding` is `bytes`.
pub(crate) fn cbor_of(tree: &Value) -> Cbor {
    Cbor::serialized(tree).unwrap_or(Cbor::Null)
}

impl Server {
    pub(crate) fn new(url: &str, token: Option<String>) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .max_redirects(0)
            .accept(ureq::config::AutoHeaderValue::None)
            .timeout_global(Some(TIMEOUT))
            .build()
            .new_agent();
        Self { url: url.trim_end_matches('/').to_owned(), token, agent }
    }

    pub(crate) fn with_token(&self, token: Option<String>) -> Self {
        Self { token, ..self.clone() }
    }

    /// Sends a request and reads the whole answer; a server that is busy, or limits how often it is asked, is
    /// given the time that it asks for.
    ///
    /// # Errors
    /// When there is no answer, in words.
    pub(crate) fn send(&self, sent: Sent) -> Result<Answer, String> {
        const TIMES: usize = 30;
        for _ in 0..TIMES {
            let answer = self.send_once(sent.clone())?;
            let Some(seconds) =
                answer.header("retry-after").parse().ok().filter(|_| [429, 503].contains(&answer.status))
            else {
                return Ok(answer);
            };
            std::thread::sleep(Duration::from_secs(seconds).min(TIMEOUT));
        }
        self.send_once(sent)
    }

    /// Sends a request once, whatever comes.
    pub(crate) fn send_once(&self, sent: Sent) -> Result<Answer, String> {
        let Sent { method, path, headers, body, anonymous } = sent;
        let name = format!("{method} {path}");
        let mut request = Request::builder().method(method.clone()).uri(format!("{}{path}", self.url));
        for (name, value) in &headers {
            request = request.header(name.as_str(), value.as_str());
        }
        if let Some(token) = self
            .token
            .as_ref()
            .filter(|_| !anonymous && headers.iter().all(|(name, _)| name != "authorization"))
        {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let asked = name.clone();
        let failed = |error: &dyn std::fmt::Display| format!("{asked}: no answer: {error}");
        let request = request.body(body).map_err(|error| failed(&error))?;
        let (parts, mut body) = self.agent.run(request).map_err(|error| failed(&error))?.into_parts();
        let read = body.with_config().limit(1 << 30).read_to_vec();
        Answer::new(name, &method, parts, read.map_err(|error| failed(&error))?)
    }

    /// Sends bytes as they are and returns what comes back, or nothing if the address is not plain HTTP.
    pub(crate) fn talk(&self, bytes: &[u8]) -> Option<io::Result<Vec<u8>>> {
        use io::{Read, Write};
        let address = self.url.strip_prefix("http://")?.split('/').next()?;
        let address = if address.contains(':') { address.to_owned() } else { format!("{address}:80") };
        let talk = || {
            let mut stream = std::net::TcpStream::connect(&address)?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            stream.write_all(bytes)?;
            let mut answer = vec![0; 4096];
            let length = stream.read(&mut answer)?;
            answer.truncate(length);
            Ok(answer)
        };
        Some(talk())
    }
}

/// The body of `POST /keys`.
pub(crate) fn key_set_request(model_id: &str, version: &str) -> Value {
    json!({ "model_id": model_id, "version": version })
}
