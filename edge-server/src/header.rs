//! Request headers with a meaning of their own: `Prefer`, `Idempotency-Key`, `X-Request-Id`.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::problem::{Code, Problem};

/// `Prefer` (RFC 7240)
pub(crate) const PREFER: HeaderName = HeaderName::from_static("prefer");
/// `Preference-Applied` (RFC 7240)
pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header)
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// `X-Request-Id`
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const MAX_IDEMPOTENCY_KEY: usize = 255;
const MAX_REQUEST_ID: usize = 64;

/// Reads how long the caller prefers to wait, in whole seconds, at most `max`. What cannot be read
/// is ignored, as RFC 7240 demands.
pub(crate) fn wait(headers: &HeaderMap, max: Duration) -> Option<Duration> {
    let preferences = headers.get_all(PREFER).into_iter().filter_map(|value| value.to_str().ok());
    let wait = preferences.flat_map(|line| line.split(',')).find_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"').to_owned())
    })?;
    let digits = !wait.is_empty() && wait.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| Duration::from_secs(wait.parse().unwrap_or(u64::MAX)).min(max))
}

/// Says how long a wait was granted.
pub(crate) fn wait_applied(wait: Duration) -> (HeaderName, String) {
    (PREFERENCE_APPLIED, format!("wait={}", wait.as_secs()))
}

/// Reads the idempotency key.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let text = value.to_str().map(str::trim).unwrap_or_default();
    let key = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    if key.is_empty() || key.len() > MAX_IDEMPOTENCY_KEY {
        return Err(Problem::new(Code::InvalidEnvelope, "The header Idempotency-Key is not usable.")
            .expected(format!("1 to {MAX_IDEMPOTENCY_KEY} printable ASCII characters")));
    }
    Ok(Some(key.to_owned()))
}

/// Reads the identifier that a proxy or client gave the request, if it is harmless in a log.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok())?;
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    ((1..=MAX_REQUEST_ID).contains(&text.len()) && text.bytes().all(harmless)).then(|| text.to_owned())
}

/// Makes a header value of text that holds none of the caller's bytes but checked ones.
pub(crate) fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn wait_is_read_bounded_and_otherwise_ignored() {
        let max = Duration::from_secs(30);
        for (values, want) in [
            (&["wait=5"][..], Some(5)),
            (&["respond-async, wait=5"], Some(5)),
            (&["respond-async", "Wait = \"7\"; foo"], Some(7)),
            (&["wait=0"], Some(0)),
            (&["wait=100"], Some(30)),
            (&["wait=99999999999999999999999"], Some(30)),
            (&["wait=-1"], None),
            (&["wait=+1"], None),
            (&["wait"], None),
            (&["wait="], None),
            (&["waiting=3"], None),
            (&[], None),
        ] {
            assert_eq!(wait(&headers(PREFER, values), max), want.map(Duration::from_secs), "{values:?}");
        }
    }

    #[test]
    fn idempotency_key_is_bounded_and_unquoted() {
        let read = |value| idempotency_key(&headers(IDEMPOTENCY_KEY, &[value]));
        assert_eq!(read("\"8e03978e\"").expect("quoted"), Some("8e03978e".to_owned()));
        assert_eq!(read("8e03978e").expect("bare"), Some("8e03978e".to_owned()));
        assert_eq!(idempotency_key(&HeaderMap::new()).expect("absent"), None);
        assert_eq!(read("\"\"").expect_err("empty").code(), Code::InvalidEnvelope);
        let long: &'static str = "x".repeat(256).leak();
        assert_eq!(read(long).expect_err("long").code(), Code::InvalidEnvelope);
    }

    #[test]
    fn request_id_is_taken_over_when_harmless() {
        assert_eq!(request_id(&headers(REQUEST_ID, &["a-1.b_C"])), Some("a-1.b_C".to_owned()));
        for wrong in ["", "a b", "a;b", "\"x\""] {
            assert_eq!(request_id(&headers(REQUEST_ID, &[wrong])), None);
        }
    }
}
