//! Reads request bodies, never more than the route takes.

use std::{fmt::Display, pin::pin};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body::Body;
use http_body_util::BodyExt;

use crate::problem::{Code, Problem};

/// How much of a refused body is read and thrown away, so that a caller that sends first and
/// listens later hears the refusal instead of a broken connection.
const DISCARD: usize = 16 << 20;

/// The length that the headers announce.
fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads a body of at most `limit` bytes; a longer one as far as it takes to know.
///
/// # Errors
/// `PAYLOAD_TOO_LARGE`; `MALFORMED_BODY` when the connection breaks off.
pub(crate) async fn read<B: Body>(headers: &HeaderMap, body: B, limit: usize) -> Result<Bytes, Problem>
where
    B::Error: Display,
{
    let announced = announced(headers).unwrap_or(0);
    let mut collected = BytesMut::with_capacity(announced.min(limit));
    let mut length = announced;
    let mut body = pin!(body);
    while length <= limit {
        let Some(frame) = body.frame().await else { return Ok(collected.freeze()) };
        let frame = frame.map_err(|error| {
            let detail = format!("The body broke off after {} bytes: {error}.", collected.len());
            Problem::new(Code::MalformedBody, detail)
        })?;
        let Ok(mut data) = frame.into_data() else { continue };
        length = length.max(collected.len() + data.remaining());
        collected.extend_from_slice(&data.copy_to_bytes(data.remaining().min(limit - collected.len())));
    }
    Err(Problem::new(Code::PayloadTooLarge, "The body is longer than this route takes.")
        .expected(limit)
        .found(length))
}

/// Whether a refused body is worth reading to its end: not if the caller waits before it sends,
/// nor if it announces more than anybody would read.
pub(crate) fn is_discarded(headers: &HeaderMap) -> bool {
    !headers.contains_key(header::EXPECT) && announced(headers).is_none_or(|length| length <= DISCARD)
}

/// Reads what is left of a refused body, up to a limit, and throws it away.
pub(crate) async fn discard<B: Body>(body: B) {
    let mut body = pin!(body);
    let mut length = 0;
    while length <= DISCARD {
        let Some(Ok(frame)) = body.frame().await else { return };
        length += frame.data_ref().map_or(0, Buf::remaining);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

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

    #[test]
    fn refuses_what_is_announced_too_long_before_it_comes() {
        let headers = HeaderMap::from_iter([(header::CONTENT_LENGTH, 11.into())]);
        let never = http_body_util::StreamBody::new(futures_util::stream::pending::<Result<_, Infallible>>());
        let never: http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible> = never.boxed_unsync();
        let problem = read(&headers, never, 10).now_or_never().expect("never waits").expect_err("too long");
        assert_eq!(problem.code(), Code::PayloadTooLarge);
    }

    #[test]
    fn throws_away_what_a_caller_sends_unasked_within_reason() {
        let headers = |name, value: &str| HeaderMap::from_iter([(name, value.parse().expect("a value"))]);
        assert!(is_discarded(&HeaderMap::new()));
        assert!(is_discarded(&headers(header::CONTENT_LENGTH, "1000")));
        assert!(!is_discarded(&headers(header::CONTENT_LENGTH, "99999999999")));
        assert!(!is_discarded(&headers(header::EXPECT, "100-continue")));
    }
}
