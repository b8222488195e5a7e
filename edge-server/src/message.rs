//! Requests and responses as types. Requests are read from documents that have passed their
//! schema; responses match theirs, which a test checks for every one the service sends.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    document::Document,
    id::{JobId, KeySetId, ModelKey},
    payload::{Encoding, Payload},
    problem::{Code, Problem},
};

/// `POST /infer`
#[derive(Debug)]
pub(crate) struct InferRequest {
    pub(crate) model: ModelKey,
    pub(crate) batch_size: u32,
    pub(crate) inputs: Vec<(Encoding, Payload)>,
    pub(crate) key_id: Option<KeySetId>,
    pub(crate) deadline: Option<Duration>,
}

#[derive(Deserialize)]
struct InferFields {
    model_id: String,
    version: String,
    #[serde(default = "one")]
    batch_size: u32,
    inputs: Vec<InputFields>,
    key_id: Option<String>,
    deadline_seconds: Option<u64>,
}

#[derive(Deserialize)]
struct InputFields {
    encoding: Encoding,
    payload: String,
}

fn one() -> u32 {
    1
}

/// Reads fields that the schema has promised.
fn fields<T: for<'de> Deserialize<'de>>(tree: serde_json::Value) -> Result<T, Problem> {
    serde_json::from_value(tree)
        .map_err(|error| Problem::new(Code::InvalidEnvelope, format!("The body does not fit: {error}.")))
}

impl InferRequest {
    /// Takes the request out of a document that matches `infer-request.schema.json`.
    pub(crate) fn from_document(mut document: Document) -> Result<Self, Problem> {
        let InferFields { model_id, version, batch_size, inputs, key_id, deadline_seconds } =
            fields(document.tree)?;
        let inputs = inputs.into_iter().enumerate().map(|(index, input)| {
            let bytes = document.byte_strings.remove(&payload_pointer(index));
            (input.encoding, bytes.map_or(Payload::Text(input.payload), Payload::Bytes))
        });
        let key_id =
            key_id.as_deref().map(|text| KeySetId::parse(text).ok_or_else(unknown_key)).transpose()?;
        Ok(Self {
            model: ModelKey { model_id, version },
            batch_size,
            inputs: inputs.collect(),
            key_id,
            deadline: deadline_seconds.map(Duration::from_secs),
        })
    }
}

/// The JSON Pointer of an input's payload.
pub(crate) fn payload_pointer(index: usize) -> String {
    format!("/inputs/{index}/payload")
}

/// The problem of a key set that the caller does not have.
pub(crate) fn unknown_key() -> Problem {
    Problem::new(Code::UnknownKey, "There is no such key set; open one with POST /keys.")
}

/// `POST /keys`
#[derive(Debug, Deserialize)]
pub(crate) struct KeySetRequest {
    model_id: String,
    version: String,
}

impl KeySetRequest {
    /// Takes the model out of a document that matches `key-set-request.schema.json`.
    pub(crate) fn model_from(document: Document) -> Result<ModelKey, Problem> {
        let Self { model_id, version } = fields(document.tree)?;
        Ok(ModelKey { model_id, version })
    }
}

/// `GET /health` and `GET /ready`
#[derive(Debug, Serialize)]
pub(crate) struct Health {
    pub(crate) status: &'static str,
    pub(crate) api_version: &'static str,
}

/// The answer to an accepted inference.
#[derive(Debug, Serialize)]
pub(crate) struct Accepted {
    pub(crate) job_id: JobId,
    pub(crate) status: &'static str,
}

/// `GET /jobs/{job_id}`
#[derive(Debug, Serialize)]
pub(crate) struct JobView {
    pub(crate) job_id: JobId,
    pub(crate) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<ResultView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<Problem>,
}

/// The result of a completed job.
#[derive(Debug, Serialize)]
pub(crate) struct ResultView {
    pub(crate) model_id: String,
    pub(crate) version: String,
    pub(crate) encoding: Encoding,
    pub(crate) payload: Payload,
    pub(crate) diagnostics: Diagnostics,
}

/// What became of the batch.
#[derive(Debug, Serialize)]
pub(crate) struct Diagnostics {
    pub(crate) requested_batch_size: u32,
    pub(crate) processed_batch_size: u32,
    pub(crate) batch_truncated: bool,
}

/// `GET /keys/{key_id}`
#[derive(Debug, Serialize)]
pub(crate) struct KeySetView {
    pub(crate) key_id: KeySetId,
    pub(crate) model_id: String,
    pub(crate) version: String,
    pub(crate) params_id: String,
    pub(crate) status: &'static str,
    pub(crate) keys: Vec<KeyView>,
    pub(crate) missing: Vec<String>,
}

/// One key of a set.
#[derive(Debug, Serialize)]
pub(crate) struct KeyView {
    pub(crate) name: String,
    pub(crate) level: u8,
    pub(crate) bytes: u64,
    pub(crate) present: bool,
}

/// `GET /limits`
#[derive(Debug, Serialize)]
pub(crate) struct LimitsView {
    pub(crate) api_version: &'static str,
    pub(crate) requests_per_minute: Option<u64>,
    pub(crate) bytes_per_minute: Option<u64>,
    pub(crate) waiting_jobs: Allowance,
    pub(crate) key_sets: Allowance,
    pub(crate) key_bytes: Allowance,
    pub(crate) max_wait_seconds: u64,
    pub(crate) job_seconds: u64,
    pub(crate) keep_results_seconds: u64,
    pub(crate) keep_key_sets_seconds: u64,
}

/// How much of something there may be, and is.
#[derive(Debug, Serialize)]
pub(crate) struct Allowance {
    pub(crate) limit: u64,
    pub(crate) used: u64,
}
