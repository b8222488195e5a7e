//! Answers, as trees, and what is asked of them.

use std::{collections::BTreeMap, sync::LazyLock};

use ciborium::Value as Cbor;
use http::{HeaderMap, Method, response::Parts};
use jsonschema::Validator;
use serde_json::{Map, Number, Value};

use crate::{
    case::Verdict,
    sentence::{self, ErrorRow},
};

/// An answer that has been read.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The request, for messages.
    pub(crate) name: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// The body as a tree; byte strings are empty texts. Null if there is none.
    pub(crate) tree: Value,
    /// The byte strings of a CBOR body, in order.
    pub(crate) byte_strings: Vec<Vec<u8>>,
}

impl Answer {
    pub(crate) fn new(name: String, method: &Method, parts: Parts, body: Vec<u8>) -> Result<Self, String> {
        let media = parts.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or("");
        let mut byte_strings = Vec::new();
        let is_document =
            media.ends_with("json") && media != "application/schema+json" || media == "application/cbor";
        let tree = if body.is_empty() || *method == Method::HEAD || !is_document {
            Value::Null
        } else if media == "application/cbor" {
            let cbor: Cbor = ciborium::from_reader(body.as_slice())
                .map_err(|error| format!("{name}: the answer is not CBOR: {error}"))?;
            json_of(cbor, &mut byte_strings).map_err(|error| format!("{name}: {error}"))?
        } else {
            serde_json::from_slice(&body)
                .map_err(|error| format!("{name}: the answer is not JSON: {error}"))?
        };
        Ok(Self { name, status: parts.status.as_u16(), headers: parts.headers, body, tree, byte_strings })
    }

    /// A header, empty if absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// A text of the body.
    pub(crate) fn text(&self, pointer: &str) -> Result<&str, String> {
        let value = self.tree.pointer(pointer).and_then(Value::as_str);
        value.ok_or_else(|| format!("{}: no text at {pointer}; {}", self.name, self.short()))
    }

    /// Status and the start of the body.
    pub(crate) fn short(&self) -> String {
        let text: String = self.tree.to_string().chars().take(300).collect();
        format!("status {}, {text}", self.status)
    }

    /// Demands a status.
    pub(crate) fn expect_status(&self, status: u16) -> Verdict {
        if self.status == status {
            Ok(())
        } else {
            Err(format!("{}: expected status {status}, found {}", self.name, self.short()))
        }
    }

    /// Demands a body that matches a published schema.
    pub(crate) fn expect_schema(&self, file: &str) -> Verdict {
        let validator = VALIDATORS.get(file).ok_or_else(|| format!("there is no schema {file}"))?;
        validator.validate(&self.tree).map_err(|error| {
            format!("{}: does not match {file} at {}: {error}", self.name, error.instance_path())
        })
    }

    /// Demands one exact problem: code, status and retry rule of the document's table, and the form of problems.
    pub(crate) fn expect_problem(&self, code: &str) -> Verdict {
        if self.tree["code"] != code {
            return Err(format!("{}: expected {code}, found {}", self.name, self.short()));
        }
        let row = error_row(code).ok_or_else(|| format!("{code} is not in the table"))?;
        self.expect_status(row.status)
    }

    /// Demands a problem that points somewhere.
    pub(crate) fn expect_problem_at(&self, code: &str, pointer: &str) -> Verdict {
        self.expect_problem(code)?;
        if self.tree["pointer"] == pointer {
            Ok(())
        } else {
            Err(format!("{}: expected a pointer to {pointer}, found {}", self.name, self.short()))
        }
    }
}

/// The published schemas, by file name.
static VALIDATORS: LazyLock<BTreeMap<&str, Validator>> = LazyLock::new(|| {
    let compiled = |(file, _): &(&'static str, &str)| Some((*file, edge_server::validator(file).ok()?));
    edge_server::SCHEMAS.iter().filter_map(compiled).collect()
});

/// The table of errors.
static ERRORS: LazyLock<BTreeMap<&str, ErrorRow>> = LazyLock::new(sentence::errors);

/// The row of a code.
pub(crate) fn error_row(code: &str) -> Option<ErrorRow> {
    ERRORS.get(code).copied()
}

/// CBOR as the tree that JSON would give, byte strings taken out.
fn json_of(value: Cbor, byte_strings: &mut Vec<Vec<u8>>) -> Result<Value, String> {
    Ok(match value {
        Cbor::Null => Value::Null,
        Cbor::Bool(value) => value.into(),
        Cbor::Integer(value) => {
            let wide = i128::from(value);
            let number =
                i64::try_from(wide).map(Number::from).or_else(|_| u64::try_from(wide).map(Number::from));
            Value::Number(number.map_err(|_| format!("the number {wide} is too large"))?)
        }
        Cbor::Float(value) => Value::Number(Number::from_f64(value).ok_or("a number is not finite")?),
        Cbor::Text(text) => text.into(),
        Cbor::Bytes(bytes) => {
            byte_strings.push(bytes);
            String::new().into()
        }
        Cbor::Array(elements) => elements
            .into_iter()
            .map(|element| json_of(element, byte_strings))
            .collect::<Result<Vec<_>, _>>()?
            .into(),
        Cbor::Map(entries) => {
            let mut members = Map::new();
            for (name, value) in entries {
                let name = name.into_text().map_err(|_| "a member name is not text")?;
                members.insert(name, json_of(value, byte_strings)?);
            }
            members.into()
        }
        _ => return Err("a value that JSON does not have".to_owned()),
    })
}
