//! Bodies as trees: one reader for JSON and CBOR, stricter than either parser.
//!
//! A [`Document`] is what JSON Schema looks at, with the byte strings, which JSON does not have,
//! kept apart under their JSON Pointers (the tree holds an empty text in their place). Refuses
//! repeated member names, nesting beyond [`MAX_DEPTH`], numbers that are not finite, and anything
//! after the end. Allocates no more than a small multiple of the bytes that are really there,
//! whatever lengths they claim.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::{
    media::Media,
    problem::{Code, Problem},
};

/// Deepest nesting that is read.
pub(crate) const MAX_DEPTH: usize = 32;

/// A body, read but not yet validated.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Document {
    /// The tree.
    pub(crate) tree: Value,
    /// The byte strings, by JSON Pointer.
    pub(crate) byte_strings: BTreeMap<String, Bytes>,
}

impl Document {
    /// Reads a body.
    ///
    /// # Errors
    /// `MALFORMED_BODY`.
    pub(crate) fn read(media: Media, body: &[u8]) -> Result<Self, Problem> {
        let mut reader = Reader { pointer: String::new(), depth: 0, byte_strings: BTreeMap::new() };
        let tree = match media {
            Media::Json => {
                let mut deserializer = serde_json::Deserializer::from_slice(body);
                let tree = reader.deserialize(&mut deserializer).map_err(malformed(media))?;
                deserializer.end().map_err(malformed(media))?;
                tree
            }
            Media::Cbor => {
                let mut deserializer = minicbor_serde::Deserializer::new(body);
                let tree = reader.deserialize(&mut deserializer).map_err(malformed(media))?;
                let read = deserializer.decoder().position();
                if read != body.len() {
                    return Err(malformed(media)(format!("trailing bytes at offset {read}")));
                }
                tree
            }
        };
        Ok(Self { tree, byte_strings: reader.byte_strings })
    }
}

fn malformed<E: fmt::Display>(media: Media) -> impl Fn(E) -> Problem {
    move |error| {
        Problem::new(Code::MalformedBody, format!("The body is not well-formed {}: {error}.", media.name()))
    }
}

struct Reader {
    /// Where the reader is.
    pointer: String,
    depth: usize,
    byte_strings: BTreeMap<String, Bytes>,
}

impl Reader {
    /// Steps into a member or element, reads it with `read`, and steps back.
    fn inside<T>(&mut self, name: &dyn fmt::Display, read: impl FnOnce(&mut Self) -> T) -> T {
        use fmt::Write;
        let length = self.pointer.len();
        // Writing to a string cannot fail.
        let _ = write!(self.pointer, "/{name}");
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        self.pointer.truncate(length);
        value
    }

    fn check_depth<E: Error>(&self) -> Result<(), E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH}")));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for &mut Reader {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON has, or a byte string")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        // A number is an integer by its value, not by how it is written.
        let exact = 2f64.powi(53);
        if value.fract() == 0.0 && value.abs() <= exact {
            return Ok((value as i64).into());
        }
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_bytes<E: Error>(self, value: &[u8]) -> Result<Value, E> {
        self.byte_strings.insert(self.pointer.clone(), Bytes::copy_from_slice(value));
        Ok(String::new().into())
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        self.check_depth()?;
        let mut elements = Vec::new();
        while let Some(element) = self.inside(&elements.len(), |reader| access.next_element_seed(reader))? {
            elements.push(element);
        }
        Ok(elements.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        self.check_depth()?;
        let mut members = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            let escaped = name.replace('~', "~0").replace('/', "~1");
            let value = self.inside(&escaped, |reader| access.next_value_seed(reader))?;
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a member name stands twice"));
            }
        }
        Ok(members.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn detail(media: Media, body: &[u8]) -> String {
        let problem = Document::read(media, body).expect_err("must be refused");
        assert_eq!(problem.code(), Code::MalformedBody);
        problem.detail().to_owned()
    }

    #[test]
    fn json_and_cbor_give_the_same_tree() {
        let tree = json!({"a": [1, -2, 2.5, true, null, "text"], "b": {"c/d~": "x"}});
        let cbor = Media::Cbor.write(&tree).expect("encode");
        let read = Document::read(Media::Cbor, &cbor).expect("cbor");
        assert_eq!(read, Document::read(Media::Json, tree.to_string().as_bytes()).expect("json"));
        assert_eq!(read.tree, tree);
    }

    #[test]
    fn byte_strings_are_kept_under_their_pointers() {
        // {"a/b": [h'0102']}
        let read = Document::read(Media::Cbor, b"\xa1\x63a/b\x81\x42\x01\x02").expect("cbor");
        assert_eq!(read.tree, json!({"a/b": [""]}));
        assert_eq!(read.byte_strings["/a~1b/0"], Bytes::from_static(&[1, 2]));
    }

    #[test]
    fn integers_are_integers_by_value() {
        assert_eq!(Document::read(Media::Json, b"[1.0, 1e2, 1.5]").expect("json").tree, json!([1, 100, 1.5]));
    }

    #[test]
    fn refuses_repeated_names() {
        assert!(detail(Media::Json, br#"{"a":1,"a":2}"#).contains("twice"));
        assert!(detail(Media::Cbor, b"\xa2\x61a\x01\x61a\x02").contains("twice"));
    }

    #[test]
    fn refuses_deep_nesting_before_it_becomes_a_stack() {
        assert!(detail(Media::Json, "[".repeat(100_000).as_bytes()).contains("nested"));
        assert!(detail(Media::Cbor, &[0x81; 100_000]).contains("nested"));
        assert!(detail(Media::Cbor, &[0x9f; 100_000]).contains("nested"));
        assert!(detail(Media::Cbor, &b"\xa1\x61a".repeat(100_000)).contains("nested"));
    }

    #[test]
    fn refuses_lengths_that_lie() {
        for body in [
            &b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff\x00"[..],
            b"\x5a\x7f\xff\xff\xff\x00",
            b"\x7b\x00\x00\x00\xff\xff\xff\xff\xffabc",
            b"\x9b\x00\xff\xff\xff\xff\xff\xff\xff\x00",
            b"\xbb\x00\xff\xff\xff\xff\xff\xff\xff\x61a\x00",
            b"\x82\x00",
            b"\xa1\x61a",
        ] {
            detail(Media::Cbor, body);
        }
    }

    #[test]
    fn refuses_what_json_does_not_have_but_byte_strings() {
        for body in [
            &b"\xf9\x7e\x00"[..],                    // NaN
            b"\xfb\x7f\xf0\x00\x00\x00\x00\x00\x00", // infinity
            b"\xf7",                                 // undefined
            b"\xc1\x00",                             // a tag
            b"\xa1\x01\x02",                         // a number as a name
            b"\xff",                                 // a break alone
            b"",
        ] {
            detail(Media::Cbor, body);
        }
    }

    #[test]
    fn refuses_anything_after_the_end() {
        assert!(detail(Media::Cbor, b"\x00\x00").contains("trailing"));
        detail(Media::Json, b"{} {}");
    }
}
