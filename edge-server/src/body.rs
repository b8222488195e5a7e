//! Reads request bodies, never more than the route takes.

use std::{
    fmt::Display,
    pin::{Pin, pin},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{
    FutureExt,
    future::{Either, select},
};
use http::{HeaderMap, header};
use http_body::{Body, Frame};
use http_body_util::BodyExt;

use crate::{
    port::Clock,
    problem::{Code, Problem},
};

/// How much of a refused body is read and thrown away, so that a caller that sends first and
/// listens later hears the refusal instead of a broken connection.
const DISCARD: usize = 16 << 20;

/// The slowest that a body may come, in bytes a second, once the longest silence has passed: whoever sends a byte now
/// and then holds memory for as long as it takes.
const SLOWEST: f64 = 4096.0;

/// What the memory of a document is accounted with, in its bytes: these, the tree, the decoded payloads.
pub(crate) const COPIES: usize = 3;

/// The least that a body is accounted with: what a host has it come in.
pub(crate) const LEAST_BYTES: usize = 16 << 10;

/// The length that the headers announce; one beyond all memory counts as the longest there is.
fn announced(headers: &HeaderMap) -> Option<usize> {
    let text = headers.get(header::CONTENT_LENGTH)?.to_str().ok()?;
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(usize::MAX))
}

/// How long a body may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Longest silence.
    pub(crate) silence: Duration,
    /// Longest time in all.
    pub(crate) time: Duration,
}

impl Patience {
    /// How much longer to wait for a body of which so much has come in this time.
    fn left(self, received: usize, elapsed: Duration) -> Duration {
        let earned = Duration::from_secs_f64(received as f64 / SLOWEST);
        let end = self.time.min(self.silence + earned);
        self.silence.min(end.saturating_sub(elapsed))
    }
}

/// The most memory that reading a body of at most `limit` bytes can take.
pub(crate) fn expected_bytes(headers: &HeaderMap, limit: usize) -> usize {
    announced(headers).unwrap_or(limit).min(limit)
}

/// Reads a body of at most `limit` bytes; a longer one as far as it takes to know.
///
/// # Errors
/// `PAYLOAD_TOO_LARGE`; `REQUEST_TIMEOUT`; `MALFORMED_BODY` when the connection breaks off.
pub(crate) async fn read<B: Body>(
    clock: &impl Clock,
    patience: Patience,
    headers: &HeaderMap,
    body: B,
    limit: usize,
) -> Result<Bytes, Problem>
where
    B::Error: Display,
{
    let started = clock.elapsed();
    let mut collected = BytesMut::with_capacity(expected_bytes(headers, limit));
    let mut length = announced(headers).unwrap_or(0);
    let mut body = pin!(body);
    while length <= limit {
        let left = patience.left(collected.len(), clock.elapsed().saturating_sub(started));
        let Some(frame) = frame_within(clock, body.as_mut(), left).await? else {
            return Ok(collected.freeze());
        };
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

/// The next frame, if it comes in time. One that is there already costs no timer.
async fn frame_within<B: Body>(
    clock: &impl Clock,
    mut body: Pin<&mut B>,
    time: Duration,
) -> Result<Option<Result<Frame<B::Data>, B::Error>>, Problem> {
    if let Some(frame) = body.frame().now_or_never() {
        return Ok(frame);
    }
    match select(body.frame(), pin!(clock.sleep(time))).await {
        Either::Left((frame, _)) => Ok(frame),
        Either::Right(_) => Err(Problem::new(Code::RequestTimeout, "The body did not arrive in time.")),
    }
}

/// Whether a refused body is worth reading to its end: not if the caller waits before it sends,
/// nor if it announces more than anybody would read.
pub(crate) fn is_discarded(headers: &HeaderMap) -> bool {
    !headers.contains_key(header::EXPECT) && announced(headers).is_none_or(|length| length <= DISCARD)
}

/// Reads what is left of a refused body, up to a limit, and throws it away.
pub(crate) async fn discard<B: Body>(clock: &impl Clock, patience: Patience, body: B) {
    let started = clock.elapsed();
    let mut body = pin!(body);
    let mut length = 0;
    while length <= DISCARD {
        let left = patience.left(length, clock.elapsed().saturating_sub(started));
        if left.is_zero() {
            return;
        }
        let Ok(Some(Ok(frame))) = frame_within(clock, body.as_mut(), left).await else { return };
        length += frame.data_ref().map_or(0, Buf::remaining);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        convert::Infallible,
        sync::atomic::{AtomicU32, Ordering},
    };

    use http_body_util::{Full, combinators::UnsyncBoxBody};

    use super::*;
    use crate::port::Timestamp;

    /// Time that stands still; sleeping ends at once or never.
    struct Still {
        impatient: bool,
    }

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp(0)
        }

        fn elapsed(&self) -> Duration {
            Duration::ZERO
        }

        async fn sleep(&self, _: Duration) {
            if !self.impatient {
                std::future::pending().await
            }
        }
    }

    const PATIENCE: Patience = Patience { silence: Duration::from_secs(1), time: Duration::from_secs(10) };

    fn read_now(length: usize, limit: usize) -> Result<Bytes, Problem> {
        let body = Full::new(Bytes::from(vec![7; length]));
        let clock = Still { impatient: true };
        read(&clock, PATIENCE, &HeaderMap::new(), body, limit).now_or_never().expect("never waits")
    }

    fn never() -> UnsyncBoxBody<Bytes, Infallible> {
        http_body_util::StreamBody::new(futures_util::stream::pending::<Result<_, Infallible>>())
            .boxed_unsync()
    }

    #[test]
    fn reads_up_to_the_limit_and_no_further() {
        assert_eq!(read_now(10, 10).expect("fits").len(), 10);
        let problem = read_now(11, 10).expect_err("too long");
        assert_eq!(problem.code(), Code::PayloadTooLarge);
    }

    #[test]
    fn refuses_what_is_announced_too_long_before_it_comes() {
        for length in ["11", "99999999999", "99999999999999999999999"] {
            let headers = HeaderMap::from_iter([(header::CONTENT_LENGTH, length.parse().expect("a header"))]);
            let clock = Still { impatient: false };
            let read = read(&clock, PATIENCE, &headers, never(), 10);
            let problem = read.now_or_never().expect("never waits").expect_err("too long");
            assert_eq!(problem.code(), Code::PayloadTooLarge, "{length}");
        }
    }

    #[test]
    fn a_trickle_is_waited_for_no_longer_than_silence() {
        let patience = Patience { silence: Duration::from_secs(15), time: Duration::from_secs(300) };
        let seconds = |received, elapsed| patience.left(received, Duration::from_secs(elapsed)).as_secs();
        assert_eq!(seconds(0, 0), 15);
        assert_eq!(seconds(1, 14), 1, "a byte now and then earns no time");
        assert_eq!(seconds(1, 16), 0);
        assert_eq!(seconds(1 << 20, 16), 15, "a megabyte does");
        assert_eq!(seconds(1 << 20, 270), 1);
        assert_eq!(seconds(usize::MAX / 2, 299), 1, "the whole time is the limit");
    }

    #[test]
    fn silence_ends_a_body() {
        let headers = HeaderMap::new();
        let waiting = read(&Still { impatient: false }, PATIENCE, &headers, never(), 10).now_or_never();
        assert!(waiting.is_none());
        let read = read(&Still { impatient: true }, PATIENCE, &headers, never(), 10).now_or_never();
        assert_eq!(read.expect("over").expect_err("too late").code(), Code::RequestTimeout);
        discard(&Still { impatient: true }, PATIENCE, never()).now_or_never().expect("gives up");
    }

    #[test]
    fn a_refused_body_that_trickles_is_not_read_for_long() {
        /// Goes on by a second less than the longest silence whenever it is asked.
        struct Going(AtomicU32);
        impl Clock for Going {
            fn now(&self) -> Timestamp {
                unreachable!("only time that passes counts")
            }
            fn elapsed(&self) -> Duration {
                PATIENCE.silence * self.0.fetch_add(9, Ordering::Relaxed) / 10
            }
            async fn sleep(&self, _: Duration) {
                std::future::pending().await
            }
        }
        let bytes = Cell::new(0);
        let trickle = futures_util::stream::repeat_with(|| {
            bytes.set(bytes.get() + 1);
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"x")))
        });
        let patience = Patience { silence: PATIENCE.silence, time: Duration::from_secs(300) };
        let body = http_body_util::StreamBody::new(trickle);
        discard(&Going(AtomicU32::new(0)), patience, body).now_or_never().expect("gives up");
        assert_eq!(bytes.get(), 1);
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
