//! Spans of requests and jobs, for whoever follows them through several systems.
//!
//! A trace is begun by a caller, who says so in `traceparent` (W3C Trace Context), or here. A span has names,
//! times and outcomes; no payload, no token, no identifier of a job, a key set or a tenant.

use std::{borrow::Cow, fmt, time::Duration};

use data_encoding::HEXLOWER;
use http::{HeaderMap, HeaderName};

use crate::{port::Entropy, problem::Code};

/// `traceparent` (W3C Trace Context)
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Bits of a trace's identifier that are random whoever made it, and decide whether it is exported.
const RANDOM_BITS: u32 = 56;

/// A span that is exported, as others refer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace that it is part of.
    pub trace: [u8; 16],
    /// The span.
    pub span: [u8; 8],
}

impl TraceContext {
    /// Begins a trace, unless it is not among the share of traces that are exported.
    pub(crate) fn begin(entropy: &impl Entropy, share: f64) -> Option<Self> {
        let mut trace = [0; 16];
        entropy.fill(&mut trace);
        let [.., a, b, c, d, e, f, g] = trace;
        let random = u64::from_be_bytes([0, a, b, c, d, e, f, g]);
        let limit = share * (1u64 << RANDOM_BITS) as f64;
        ((random as f64) < limit).then(|| Self { trace, span: [0; 8] }.child(entropy))
    }

    /// A further span of the same trace.
    pub(crate) fn child(self, entropy: &impl Entropy) -> Self {
        let mut span = [0; 8];
        entropy.fill(&mut span);
        Self { span, ..self }
    }

    /// Reads the text form, whether or not its writer exports the span.
    fn parse_with_flags(text: &str) -> Option<(Self, u8)> {
        let mut parts = text.split('-');
        let mut bytes = || HEXLOWER.decode(parts.next()?.as_bytes()).ok();
        let version: [u8; 1] = bytes()?.try_into().ok()?;
        let trace: [u8; 16] = bytes()?.try_into().ok()?;
        let span: [u8; 8] = bytes()?.try_into().ok()?;
        let [flags]: [u8; 1] = bytes()?.try_into().ok()?;
        // Later versions may say more.
        let is_whole = version == [0] && parts.next().is_none() || !matches!(version, [0 | 0xff]);
        (is_whole && trace != [0; 16] && span != [0; 8]).then_some((Self { trace, span }, flags))
    }

    /// Reads what [`Self`] displays.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::parse_with_flags(text).map(|(context, _)| context)
    }

    /// The trace's identifier, for a log.
    pub(crate) fn trace_id(&self) -> String {
        HEXLOWER.encode(&self.trace)
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-01", HEXLOWER.encode(&self.trace), HEXLOWER.encode(&self.span))
    }
}

/// What a caller says of the trace that a request is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Nothing that can be read.
    Silent,
    /// It does not export the trace, and nobody else is to.
    Declines,
    /// This is the span that it made the request in.
    Exports(TraceContext),
}

impl Caller {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(TRACEPARENT).into_iter();
        let (Some(value), None) = (values.next(), values.next()) else { return Self::Silent };
        match value.to_str().ok().and_then(|text| TraceContext::parse_with_flags(text.trim())) {
            None => Self::Silent,
            Some((context, flags)) if flags & 1 == 1 => Self::Exports(context),
            Some(_) => Self::Declines,
        }
    }
}

/// Who waits for what a span does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// A caller, elsewhere.
    Server,
    /// Nobody: what was asked for is taken from a queue.
    Consumer,
    /// The span around it.
    Internal,
}

/// What is said of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// A name.
    Text(Cow<'static, str>),
    /// A number.
    Number(i64),
}

impl From<&'static str> for Attribute {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Attribute {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<u32> for Attribute {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<usize> for Attribute {
    fn from(number: usize) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// A span that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// What was done.
    pub name: Cow<'static, str>,
    /// Who waits for it.
    pub kind: SpanKind,
    /// How others refer to it.
    pub context: TraceContext,
    /// The span that it is part of.
    pub parent: Option<TraceContext>,
    /// When it began, since 1970.
    pub start: Duration,
    /// When it was over.
    pub end: Duration,
    /// What is said of it, by the names of OpenTelemetry's semantic conventions where there is one.
    pub attributes: Vec<(&'static str, Attribute)>,
    /// Why it failed through the fault of this side.
    pub error: Option<Code>,
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use http::HeaderValue;

    use super::*;

    const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn caller(values: &[&'static str]) -> Caller {
        Caller::of(&values.iter().map(|value| (TRACEPARENT, HeaderValue::from_static(value))).collect())
    }

    #[test]
    fn a_caller_is_understood_when_it_follows_the_standard() {
        let context = TraceContext::parse(CALLER).expect("right");
        assert_eq!(context.to_string(), CALLER);
        assert_eq!(caller(&[CALLER]), Caller::Exports(context));
        assert_eq!(
            caller(&["01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03-more"]),
            Caller::Exports(context)
        );
        assert_eq!(caller(&["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"]), Caller::Declines);
        for wrong in [
            &[][..],
            &[""],
            &["00"],
            &[CALLER, CALLER],
            &["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"],
            &["ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
            &["00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"],
            &["00-00000000000000000000000000000000-00f067aa0ba902b7-01"],
            &["00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"],
            &["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902-01"],
        ] {
            assert_eq!(caller(wrong), Caller::Silent, "{wrong:?}");
        }
    }

    /// Bytes that differ, and nothing more.
    struct Numbers(AtomicU64);

    impl Entropy for Numbers {
        fn fill(&self, bytes: &mut [u8]) {
            for byte in bytes {
                *byte = (self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed) >> 56) as u8;
            }
        }
    }

    #[test]
    fn a_share_of_the_traces_that_begin_here_is_exported() {
        let entropy = Numbers(AtomicU64::new(1));
        for (share, least, most) in [(0.0, 0, 0), (0.25, 150, 350), (1.0, 1000, 1000)] {
            let exported = (0..1000).filter(|_| TraceContext::begin(&entropy, share).is_some()).count();
            assert!((least..=most).contains(&exported), "{share}: {exported}");
        }
    }
}
