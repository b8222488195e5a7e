//! Reads request bodies, never more than the route takes.

use std::{fmt::Display, pin::pin};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body::Body;
use http_body_util::BodyExt;

use crate::problem::{Code, Problem};

/// How much beyond the limit is read and thrown away, so that a caller that sends first and
/// listens later hears the refusal instead of a broken connection.
const DISCARD: usize = 16 << 20;

/// Reads a body of at most `limit` bytes.
///
/// # Errors
/// `PAYLOAD_TOO_LARGE`; `MALFORMED_BODY` when the connection breaks off.
pub(crate) async fn read<B: Body>(headers: &HeaderMap, body: B, limit: usize) -> Result<Bytes, Problem>
where
    B::Error: Display,
{
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let mut collected = BytesMut::with_capacity(announced.unwrap_or(0).min(limit));
    let mut length = 0;
    let mut body = pin!(body);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Problem::new(Code::MalformedBody, format!("The body broke off after {length} bytes: {error}."))
        })?;
        let Ok(mut data) = frame.into_data() else { continue };
        length += data.remaining();
        if length <= limit {
            collected.extend_from_slice(&data.copy_to_bytes(data.remaining()));
        } else if length - limit > DISCARD {
            break;
        }
    }
    if length > limit {
        let found = announced.unwrap_or(length).max(length);
        return Err(Problem::new(Code::PayloadTooLarge, "The body is longer than this route takes.")
            .expected(limit)
            .found(found));
    }
    Ok(collected.freeze())
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use http_body_util::Full;

    use super::*;

    fn read_now(length: usize, limit: usize) -> Result<Bytes, Problem> {
        let body = Full::new(Bytes::from(vec![7; length]));
        read(&HeaderMap::new(), body, limit).now_or_never().expect("never waits")
    }

    #[test]
    fn reads_up_to_the_limit_and_no_further() {
        assert_eq!(read_now(10, 10).expect("fits").len(), 10);
        let problem = read_now(11, 10).expect_err("too long");
        assert_eq!(problem.code(), Code::PayloadTooLarge);
    }
}
