//! Media types: which one a body is in, which one the caller wants back.

use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;

use crate::problem::{Code, Problem};

/// A form of the one data model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    /// `application/json`
    Json,
    /// `application/cbor` (RFC 8949)
    Cbor,
}

impl Media {
    const ALL: [Self; 2] = [Self::Json, Self::Cbor];

    /// The media type of bodies.
    #[must_use]
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Cbor => "application/cbor",
        }
    }

    /// The media type of problems. RFC 9457 registers one for JSON only.
    #[must_use]
    pub(crate) fn problem_type(self) -> &'static str {
        match self {
            Self::Json => "application/problem+json",
            Self::Cbor => "application/cbor",
        }
    }

    /// The name for people.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Cbor => "CBOR",
        }
    }

    /// Writes a body.
    ///
    /// # Errors
    /// `INTERNAL`; the types of this crate always serialize.
    pub(crate) fn write(self, body: &impl Serialize) -> Result<Vec<u8>, Problem> {
        match self {
            Self::Json => serde_json::to_vec(body).map_err(|error| Problem::internal(&error)),
            Self::Cbor => {
                let mut bytes = Vec::new();
                let mut serializer = minicbor_serde::Serializer::new(&mut bytes);
                // Else a JSON null would become an empty array.
                serializer.serialize_unit_as_null(true);
                body.serialize(&mut serializer).map_err(|error| Problem::internal(&error))?;
                Ok(bytes)
            }
        }
    }

    /// Reads `Content-Type`.
    ///
    /// # Errors
    /// `UNSUPPORTED_MEDIA_TYPE` when it is missing or neither JSON nor CBOR, or the body is compressed.
    pub(crate) fn of_body(headers: &HeaderMap) -> Result<Self, Problem> {
        expect_uncompressed(headers)?;
        let found = essence(headers.get(header::CONTENT_TYPE));
        Self::named(headers).ok_or_else(|| unsupported(found, &Self::ALL.map(Self::content_type)))
    }

    /// The form that `Content-Type` names.
    fn named(headers: &HeaderMap) -> Option<Self> {
        let found = essence(headers.get(header::CONTENT_TYPE));
        Self::ALL.into_iter().find(|media| found.as_deref() == Some(media.content_type()))
    }

    /// Chooses what the caller wants back: the best of `Accept`; where it leaves the choice, the
    /// form of the request's body, else JSON.
    ///
    /// # Errors
    /// `NOT_ACCEPTABLE` when `Accept` allows neither.
    pub(crate) fn of_response(headers: &HeaderMap) -> Result<Self, Problem> {
        let default = Self::named(headers).unwrap_or(Self::Json);
        let mut candidates = [default, if default == Self::Json { Self::Cbor } else { Self::Json }];
        let accept: Vec<&str> =
            headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
        if accept.is_empty() {
            return Ok(default);
        }
        let ranges: Vec<(&str, u16)> =
            accept.iter().flat_map(|line| line.split(',')).filter_map(range).collect();
        // The sort is stable, so that the default wins where both weigh the same.
        candidates.sort_by_key(|media| std::cmp::Reverse(media.weight(&ranges)));
        let best = candidates[0];
        if best.weight(&ranges) == 0 {
            return Err(Problem::new(Code::NotAcceptable, "Accept allows neither JSON nor CBOR.")
                .expected(Self::ALL.map(Self::content_type).to_vec()));
        }
        Ok(best)
    }

    /// The weight in thousandths that the most specific matching range gives.
    fn weight(self, ranges: &[(&str, u16)]) -> u16 {
        let problem = self.problem_type();
        let names = [&[self.content_type(), problem][..], &["application/*"], &["*/*"]];
        let matching = |names: &[&str]| {
            ranges
                .iter()
                .filter(|(range, _)| names.iter().any(|name| range.eq_ignore_ascii_case(name)))
                .map(|(_, q)| *q)
                .max()
        };
        names.into_iter().find_map(matching).unwrap_or(0)
    }
}

/// Checks that the body is bare bytes.
///
/// # Errors
/// `UNSUPPORTED_MEDIA_TYPE`.
pub(crate) fn expect_octets(headers: &HeaderMap) -> Result<(), Problem> {
    const OCTETS: &str = "application/octet-stream";
    expect_uncompressed(headers)?;
    let found = essence(headers.get(header::CONTENT_TYPE));
    if found.as_deref() == Some(OCTETS) { Ok(()) } else { Err(unsupported(found, &[OCTETS])) }
}

/// Checks that the body is sent as it is: ciphertexts do not compress, and a small body can hide a huge one.
fn expect_uncompressed(headers: &HeaderMap) -> Result<(), Problem> {
    match essence(headers.get(header::CONTENT_ENCODING)) {
        None => Ok(()),
        Some(coding) if coding == "identity" => Ok(()),
        Some(coding) => {
            let problem = Problem::new(Code::UnsupportedMediaType, "The body must not be compressed.");
            Err(problem.expected("identity").found(coding.chars().take(32).collect::<String>()))
        }
    }
}

fn unsupported(found: Option<String>, expected: &[&str]) -> Problem {
    Problem::new(Code::UnsupportedMediaType, "The body's Content-Type is not one that this route reads.")
        .expected(expected.to_vec())
        .found(found)
}

/// The media type without its parameters, in lower case.
fn essence(value: Option<&HeaderValue>) -> Option<String> {
    let text = value?.to_str().ok()?;
    Some(text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// Reads one media range of `Accept` with its weight in thousandths; a weight that cannot be read
/// makes the range void.
fn range(text: &str) -> Option<(&str, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?;
    let mut weight = 1000;
    for parameter in parts {
        if let Some(q) = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q=")) {
            let q: f32 = q.trim().parse().ok()?;
            weight = (0.0..=1.0).contains(&q).then_some((q * 1000.0) as u16)?;
        }
    }
    Some((name, weight))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(content_type: Option<&'static str>, accept: Option<&'static str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(value) = content_type {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(value));
        }
        if let Some(value) = accept {
            headers.insert(header::ACCEPT, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn response_follows_accept_then_the_request() {
        let cbor = Some("application/cbor");
        for (content_type, accept, want) in [
            (None, None, Some(Media::Json)),
            (cbor, None, Some(Media::Cbor)),
            (cbor, Some("*/*"), Some(Media::Cbor)),
            (None, Some("*/*"), Some(Media::Json)),
            (cbor, Some("application/json"), Some(Media::Json)),
            (None, Some("application/cbor, application/json;q=0.9"), Some(Media::Cbor)),
            (None, Some("application/cbor;q=0.1, */*;q=0.5"), Some(Media::Json)),
            (None, Some("application/json;q=0, */*"), Some(Media::Cbor)),
            (None, Some("APPLICATION/CBOR"), Some(Media::Cbor)),
            (None, Some("application/problem+json"), Some(Media::Json)),
            (None, Some("text/html"), None),
            (None, Some("application/json;q=0"), None),
            (None, Some("application/json;q=2"), None),
        ] {
            let found = Media::of_response(&headers(content_type, accept));
            assert_eq!(found.as_ref().ok().copied(), want, "{content_type:?} {accept:?}");
            if let Err(problem) = found {
                assert_eq!(problem.code(), Code::NotAcceptable);
            }
        }
    }

    #[test]
    fn body_needs_a_known_type() {
        let json = headers(Some("Application/JSON; charset=utf-8"), None);
        assert_eq!(Media::of_body(&json).expect("json"), Media::Json);
        for wrong in [None, Some("text/plain"), Some("application/jsonx"), Some("")] {
            let problem = Media::of_body(&headers(wrong, None)).expect_err("unsupported");
            assert_eq!(problem.code(), Code::UnsupportedMediaType);
        }
    }

    #[test]
    fn body_must_not_be_compressed() {
        let mut json = headers(Some("application/json"), None);
        json.insert(header::CONTENT_ENCODING, HeaderValue::from_static("Identity"));
        assert_eq!(Media::of_body(&json).expect("not compressed"), Media::Json);
        for coding in ["gzip", "br", "zstd", "gzip, identity", "x"] {
            json.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
            assert_eq!(Media::of_body(&json).expect_err(coding).code(), Code::UnsupportedMediaType);
            assert_eq!(Media::of_response(&json).expect("an answer"), Media::Json);
        }
    }
}
