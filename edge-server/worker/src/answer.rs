//! Answers as the runtime sends them.

use bytes::Bytes;
use worker::{Headers, Response, Result};

/// Turns an answer of the library into the runtime's.
pub(crate) fn respond(answer: http::Response<Bytes>) -> Result<Response> {
    let (parts, body) = answer.into_parts();
    let response = if body.is_empty() { Response::empty()? } else { Response::from_bytes(body.into())? };
    // The headers are set last: a body brings some of its own.
    Ok(response.with_status(parts.status.as_u16()).with_headers(Headers::from(parts.headers)))
}
