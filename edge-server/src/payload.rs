//! How ciphertexts are written inside a body: hexadecimal or base64 text, or a CBOR byte string.

use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Serialize, Serializer};

use crate::problem::{Code, Problem};

/// How a payload is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Hexadecimal text; written in lower case, read in both.
    Hex,
    /// Base64 text (RFC 4648, section 4), padded and canonical.
    Base64,
    /// A byte string, which only CBOR has.
    Bytes,
}

impl Encoding {
    /// The name in a body.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hex => "hex",
            Self::Base64 => "base64",
            Self::Bytes => "bytes",
        }
    }

    /// Finds an encoding by its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Hex, Self::Base64, Self::Bytes].into_iter().find(|encoding| encoding.name() == name)
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// `INVALID_PAYLOAD_ENCODING` when it is not written in this encoding.
    pub fn decode(self, payload: Payload) -> Result<Bytes, Problem> {
        let wrong = |found: &str| {
            Problem::new(
                Code::InvalidPayloadEncoding,
                format!("The payload is not written as {}.", self.name()),
            )
            .expected(self.name())
            .found(found)
        };
        match (self, payload) {
            (Self::Bytes, Payload::Bytes(bytes)) => Ok(bytes),
            (Self::Hex, Payload::Text(text)) => decode_text(&HEXLOWER_PERMISSIVE, &text, wrong),
            (Self::Base64, Payload::Text(text)) => decode_text(&BASE64, &text, wrong),
            (Self::Bytes, Payload::Text(_)) => Err(wrong("a text string")),
            (_, Payload::Bytes(_)) => Err(wrong("a byte string")),
        }
    }

    /// Writes a payload.
    #[must_use]
    pub fn encode(self, bytes: Bytes) -> Payload {
        match self {
            Self::Hex => Payload::Text(HEXLOWER.encode(&bytes)),
            Self::Base64 => Payload::Text(BASE64.encode(&bytes)),
            Self::Bytes => Payload::Bytes(bytes),
        }
    }
}

fn decode_text(
    encoding: &data_encoding::Encoding,
    text: &str,
    wrong: impl Fn(&str) -> Problem,
) -> Result<Bytes, Problem> {
    match encoding.decode(text.as_bytes()) {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) => Err(wrong(&format!("{} at character {}", reason(error.kind), error.position))),
    }
}

fn reason(kind: data_encoding::DecodeKind) -> &'static str {
    match kind {
        data_encoding::DecodeKind::Length => "a wrong length",
        data_encoding::DecodeKind::Symbol => "a foreign character",
        data_encoding::DecodeKind::Trailing => "bits left over",
        data_encoding::DecodeKind::Padding => "wrong padding",
    }
}

/// A payload as it stands in a body.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// Text in some encoding.
    Text(String),
    /// A byte string.
    Bytes(Bytes),
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_returns_what_it_wrote() {
        let bytes = Bytes::from_static(&[0, 1, 0xfe, 0xff]);
        for encoding in [Encoding::Hex, Encoding::Base64, Encoding::Bytes] {
            assert_eq!(encoding.decode(encoding.encode(bytes.clone())).expect("round trip"), bytes);
            assert_eq!(Encoding::from_name(encoding.name()), Some(encoding));
        }
    }

    #[test]
    fn refuses_text_that_is_not_canonical() {
        for (encoding, text) in [
            (Encoding::Hex, "abc"),
            (Encoding::Hex, "zz"),
            (Encoding::Base64, "AA"),
            (Encoding::Base64, "AB=="),
            (Encoding::Base64, "A-_="),
            (Encoding::Base64, "AAAA\n"),
            (Encoding::Bytes, "00"),
        ] {
            let problem = encoding.decode(Payload::Text(text.to_owned())).expect_err(text);
            assert_eq!(problem.code(), Code::InvalidPayloadEncoding);
        }
        let bytes = Payload::Bytes(Bytes::from_static(b"00"));
        assert_eq!(
            Encoding::Hex.decode(bytes).expect_err("a byte string is not text").code(),
            Code::InvalidPayloadEncoding
        );
    }
}
