//! The first layer of validation: bodies against the published schemas themselves.
//!
//! The files of `schemas/` are compiled in, so what is published is what is checked.

use jsonschema::{
    Registry, Resource, Validator,
    error::{TypeKind, ValidationErrorKind},
};
use serde_json::Value;

use crate::{
    document::Document,
    problem::{Code, Problem},
};

/// Versions of the protocol that requests may name.
pub const API_VERSIONS: [&str; 2] = ["1.0", "1.1"];

/// The version that the server announces.
pub const API_VERSION: &str = "1.1";

macro_rules! published {
    ($($file:literal),+ $(,)?) => {
        /// The published schemas: file name and text.
        pub const SCHEMAS: &[(&str, &str)] =
            &[$(($file, include_str!(concat!("../../schemas/", $file)))),+];
    };
}

published![
    "common.schema.json",
    "health.schema.json",
    "infer-accepted.schema.json",
    "infer-request.schema.json",
    "job.schema.json",
    "key-set-request.schema.json",
    "key-set.schema.json",
    "limits.schema.json",
    "model-package.schema.json",
    "model.schema.json",
    "models.schema.json",
    "parameter-sets.schema.json",
    "problem.schema.json",
];

/// A schema of `schemas/` that cannot be used; a defect of the build.
#[derive(Debug)]
pub struct SchemaError {
    /// The file.
    pub file: String,
    /// What is wrong with it.
    pub reason: String,
}

impl std::fmt::Display for SchemaError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "schema {}: {}", self.file, self.reason)
    }
}

impl std::error::Error for SchemaError {}

/// Compiles the published schema of this file name. Nothing is ever fetched.
///
/// # Errors
/// [`SchemaError`] when there is no such file or it is not a schema.
pub fn validator(file: &str) -> Result<Validator, SchemaError> {
    let wrong = |file: &str, reason: &dyn std::fmt::Display| SchemaError {
        file: file.to_owned(),
        reason: reason.to_string(),
    };
    let mut registry = Registry::new();
    let mut found = None;
    for (name, text) in SCHEMAS {
        let schema: Value = serde_json::from_str(text).map_err(|error| wrong(name, &error))?;
        let id = schema["$id"].as_str().ok_or_else(|| wrong(name, &"it has no $id"))?.to_owned();
        if *name == file {
            found = Some(schema.clone());
        }
        registry = registry.add(id, Resource::from_contents(schema)).map_err(|error| wrong(name, &error))?;
    }
    let schema = found.ok_or_else(|| wrong(file, &"there is no such schema"))?;
    let registry = registry.prepare().map_err(|error| wrong(file, &error))?;
    jsonschema::options()
        .with_registry(&registry)
        .offline()
        .build(&schema)
        .map_err(|error| wrong(file, &error))
}

/// The validators of request bodies.
#[derive(Debug)]
pub(crate) struct Envelopes {
    infer: Validator,
    key_set: Validator,
}

impl Envelopes {
    /// Compiles the schemas.
    ///
    /// # Errors
    /// [`SchemaError`].
    pub(crate) fn new() -> Result<Self, SchemaError> {
        Ok(Self {
            infer: validator("infer-request.schema.json")?,
            key_set: validator("key-set-request.schema.json")?,
        })
    }

    /// Checks the body of `POST /infer`.
    ///
    /// # Errors
    /// `UNSUPPORTED_API_VERSION`, `INVALID_ENVELOPE`.
    pub(crate) fn check_infer(&self, document: &Document) -> Result<(), Problem> {
        check(&self.infer, document, |pointer| {
            let mut parts = pointer.split('/').skip(1);
            (parts.next(), parts.nth(1), parts.next()) == (Some("inputs"), Some("payload"), None)
        })
    }

    /// Checks the body of `POST /keys`.
    ///
    /// # Errors
    /// `UNSUPPORTED_API_VERSION`, `INVALID_ENVELOPE`.
    pub(crate) fn check_key_set(&self, document: &Document) -> Result<(), Problem> {
        check(&self.key_set, document, |_| false)
    }
}

/// Checks the version first, since a schema says little about the body of another version.
fn check(
    validator: &Validator,
    document: &Document,
    may_be_bytes: impl Fn(&str) -> bool,
) -> Result<(), Problem> {
    if let Some(found) = document.tree.get("api_version").and_then(Value::as_str)
        && !API_VERSIONS.contains(&found)
    {
        return Err(Problem::new(
            Code::UnsupportedApiVersion,
            "The server does not speak this version of the protocol.",
        )
        .expected(API_VERSIONS.to_vec())
        .found(found.chars().take(32).collect::<String>())
        .at("/api_version"));
    }
    if let Some(pointer) = document.byte_strings.keys().find(|pointer| !may_be_bytes(pointer)) {
        return Err(Problem::new(Code::InvalidEnvelope, "A byte string stands where the schema has none.")
            .found("byte string")
            .at(pointer.as_str()));
    }
    validator.validate(&document.tree).map_err(|error| {
        let pointer = error.instance_path().as_str().to_owned();
        let problem = Problem::new(Code::InvalidEnvelope, error.masked().to_string()).at(pointer);
        match error.kind() {
            ValidationErrorKind::Type { kind } => {
                problem.expected(type_names(kind)).found(type_name(error.instance()))
            }
            ValidationErrorKind::Enum { options } => problem.expected(Value::clone(options)),
            ValidationErrorKind::Required { property } => problem.expected(property.clone()),
            _ => problem,
        }
    })
}

fn type_names(kind: &TypeKind) -> Value {
    match kind {
        TypeKind::Single(kind) => kind.as_str().into(),
        TypeKind::Multiple(kinds) => kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().into(),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
