//! What never changes while the process lives: health, models, parameter sets, the published
//! contract. Written once, at the start.

use bytes::Bytes;
use http::{StatusCode, header};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Call, Reply};
use crate::{
    envelope::{API_VERSION, SCHEMAS},
    media::Media,
    message::Health,
    problem::{Code, Problem},
    registry::{ModelView, ParameterSetView, Registry},
};

const OPENAPI: &str = include_str!("../../../openapi.yaml");

/// The bodies of `GET /models` and `GET /keys`.
#[derive(Debug)]
pub(super) struct Discovery {
    models: Page,
    parameter_sets: Page,
}

#[derive(Serialize)]
struct Models {
    api_version: &'static str,
    models: Vec<ModelView>,
}

#[derive(Serialize)]
struct ParameterSets {
    api_version: &'static str,
    parameter_sets: Vec<ParameterSetView>,
}

impl Discovery {
    pub(super) fn new(registry: &Registry) -> Self {
        let models = registry.models().map(|model| model.view(registry.limits())).collect();
        let parameter_sets = registry.parameter_sets();
        Self {
            models: Page::new(&Models { api_version: API_VERSION, models }),
            parameter_sets: Page::new(&ParameterSets { api_version: API_VERSION, parameter_sets }),
        }
    }

    /// `GET /models`
    pub(super) fn models(&self, call: &Call) -> Reply {
        self.models.reply(call)
    }

    /// `GET /keys`
    pub(super) fn parameter_sets(&self, call: &Call) -> Reply {
        self.parameter_sets.reply(call)
    }
}

/// A body in both forms, with its entity tags (RFC 9110, section 8.8.3).
#[derive(Debug)]
struct Page {
    json: (Bytes, String),
    cbor: (Bytes, String),
}

impl Page {
    fn new(body: &impl Serialize) -> Self {
        let write = |media: Media| {
            // Types of this crate always serialize; an empty body would fail every test.
            let bytes = media.write(body).unwrap_or_default();
            let tag = format!("\"{}\"", data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes)[..16]));
            (bytes.into(), tag)
        };
        Self { json: write(Media::Json), cbor: write(Media::Cbor) }
    }

    fn reply(&self, call: &Call) -> Reply {
        let (bytes, tag) = match call.media {
            Media::Json => &self.json,
            Media::Cbor => &self.cbor,
        };
        let known = call.parts.headers.get_all(header::IF_NONE_MATCH).iter().any(|value| {
            let text = value.to_str().unwrap_or_default();
            text.split(',').map(str::trim).any(|known| known == "*" || known.trim_start_matches("W/") == tag)
        });
        let reply = if known {
            Reply::empty(StatusCode::NOT_MODIFIED)
        } else {
            Reply::new(call.media.content_type(), bytes.clone())
        };
        reply.with(header::ETAG, tag).with(header::CACHE_CONTROL, "no-cache")
    }
}

/// `GET /health`
pub(super) fn health() -> Health {
    Health { status: "ok", api_version: API_VERSION }
}

/// `GET /openapi.yaml`
pub(super) fn openapi() -> Reply {
    Reply::new("application/yaml", Bytes::from_static(OPENAPI.as_bytes()))
}

/// `GET /schemas/{file}`
pub(super) fn schema(file: &str) -> Result<Reply, Problem> {
    let (_, text) = SCHEMAS
        .iter()
        .find(|(name, _)| *name == file)
        .ok_or_else(|| Problem::new(Code::NotFound, "There is no such schema."))?;
    Ok(Reply::new("application/schema+json", Bytes::from_static(text.as_bytes())))
}
