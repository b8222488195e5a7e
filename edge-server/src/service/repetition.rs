//! Requests that are sent again: what makes one known, and what the earlier one made.

use http::request::Parts;
use sha2::{Digest, Sha256};

use super::{Call, Service, store_failed};
use crate::{
    header,
    media::Media,
    port::Host,
    problem::{Code, Problem},
    store::{Idempotency, Remembered, Store},
};

/// What a repetition of a request will be known by, if its caller asked for that.
pub(super) fn idempotency(call: &Call, media: Media, body: &[u8]) -> Result<Option<Idempotency>, Problem> {
    let key = header::idempotency_key(&call.parts.headers)?;
    Ok(key.map(|key| Idempotency { key, fingerprint: fingerprint(&call.parts, media, body) }))
}

/// The problem of an idempotency key that came with another request before.
pub(super) fn conflict() -> Problem {
    Problem::new(Code::IdempotencyConflict, "This Idempotency-Key was used before with another request.")
}

impl<H: Host> Service<H> {
    /// Looks up what an earlier request with this idempotency key made.
    pub(super) async fn remembered(
        &self,
        call: &Call,
        idempotency: Option<&Idempotency>,
    ) -> Result<Option<Remembered>, Problem> {
        match idempotency {
            Some(own) => self.host.store().remembered(&call.tenant, &own.key).await.map_err(store_failed),
            None => Ok(None),
        }
    }
}

/// SHA-256 over everything that makes two requests the same.
fn fingerprint(parts: &Parts, media: Media, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [parts.method.as_str(), parts.uri.path(), media.content_type()] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.update(body);
    hash.finalize().into()
}
