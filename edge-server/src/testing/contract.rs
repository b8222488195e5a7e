//! Checks responses against `openapi.yaml` and the schemas it refers to.

use std::collections::BTreeMap;

use http::{HeaderMap, Method, StatusCode, header};
use jsonschema::Validator;
use serde_json::Value;

use crate::{
    document::Document,
    envelope::{SCHEMAS, validator},
    media::Media,
    route::{ROUTES, pattern_of},
};

const OPENAPI: &str = include_str!("../../../openapi.yaml");

/// The published contract, ready to check responses against.
#[derive(Debug)]
pub struct Contract {
    openapi: Value,
    validators: BTreeMap<String, Validator>,
}

impl Default for Contract {
    fn default() -> Self {
        Self::new()
    }
}

impl Contract {
    /// Reads the contract.
    ///
    /// # Panics
    /// When `openapi.yaml` is not YAML or a schema is not a schema.
    #[must_use]
    pub fn new() -> Self {
        let openapi = serde_saphyr::from_str(OPENAPI).expect("openapi.yaml is YAML");
        let validators = SCHEMAS
            .iter()
            .map(|(file, _)| ((*file).to_owned(), validator(file).unwrap_or_else(|error| panic!("{error}"))));
        Self { openapi, validators: validators.collect() }
    }

    /// The description as a tree.
    #[must_use]
    pub fn openapi(&self) -> &Value {
        &self.openapi
    }

    /// Checks one response: its status is documented for the operation, and its body matches the
    /// documented schema. Returns the body as a tree, byte strings as empty texts.
    ///
    /// # Panics
    /// When it does not.
    pub fn check(
        &self,
        method: &Method,
        path: &str,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Value {
        let name = format!("{method} {path} → {status}");
        let text = String::from_utf8_lossy(body);
        let Some(documented) = self.documented(method, path, status) else {
            assert!(!status.is_success(), "{name} is not documented: {text}");
            return self.check_body(&name, "./schemas/problem.schema.json", headers, body);
        };
        let Some(content) = documented.get("content") else {
            assert!(body.is_empty(), "{name} has no body: {text}");
            return Value::Null;
        };
        let content_type =
            headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let media =
            content.get(content_type).unwrap_or_else(|| panic!("{name} in {content_type} is not documented"));
        match media["schema"]["$ref"].as_str() {
            Some(schema) => self.check_body(&name, schema, headers, body),
            None => Value::Null,
        }
    }

    /// The response object for an operation and status.
    fn documented(&self, method: &Method, path: &str, status: StatusCode) -> Option<&Value> {
        let pattern = pattern_of(path)?;
        let operation = self.openapi["paths"][pattern].get(method.as_str().to_ascii_lowercase())?;
        let responses = &operation["responses"];
        let response = responses.get(status.as_str()).or_else(|| responses.get("default"))?;
        Some(self.resolve(response))
    }

    /// Follows a reference inside the description.
    ///
    /// # Panics
    /// When it leads nowhere.
    #[must_use]
    pub fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#')) {
            Some(pointer) => {
                self.openapi.pointer(pointer).unwrap_or_else(|| panic!("#{pointer} leads nowhere"))
            }
            None => value,
        }
    }

    fn check_body(&self, name: &str, schema: &str, headers: &HeaderMap, body: &[u8]) -> Value {
        let text = String::from_utf8_lossy(body);
        let content_type =
            headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let media = if content_type.ends_with("json") { Media::Json } else { Media::Cbor };
        let document =
            Document::read(media, body).unwrap_or_else(|problem| panic!("{name}: {problem}: {text}"));
        let file = schema.trim_start_matches("./schemas/");
        if let Err(error) = self.validators[file].validate(&document.tree) {
            panic!("{name} does not match {file} at {}: {error}", error.instance_path());
        }
        if let Some(pointer) = undeclared(file, &published(file), &document.tree, "") {
            panic!("{name} has a member that {file} does not declare: {pointer}");
        }
        document.tree
    }

    /// Panics unless every route is described and every description is a route.
    ///
    /// # Panics
    /// See above.
    pub fn check_routes(&self) {
        let mut described = Vec::new();
        for (path, item) in self.openapi["paths"].as_object().into_iter().flatten() {
            for method in
                item.as_object().into_iter().flatten().map(|(key, _)| key).filter(|key| *key != "parameters")
            {
                described.push(format!("{} {path}", method.to_ascii_uppercase()));
            }
        }
        let mut routes: Vec<String> =
            ROUTES.iter().map(|entry| format!("{} {}", entry.method, entry.path)).collect();
        described.sort();
        routes.sort();
        assert_eq!(described, routes);
    }
}

/// A published schema as a tree.
fn published(file: &str) -> Value {
    let text = SCHEMAS.iter().find(|(name, _)| *name == file).map_or("", |(_, text)| *text);
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The first member of a body that its schema does not name: schemas of answers are open to later
/// versions, but what this version sends stands in them.
fn undeclared(file: &str, schema: &Value, tree: &Value, at: &str) -> Option<String> {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let (other, pointer) = target.split_once('#').unwrap_or((target, ""));
        let other = if other.is_empty() { file } else { other };
        let whole = published(other);
        let referred = whole.pointer(pointer).unwrap_or_else(|| panic!("{target} leads nowhere"));
        return undeclared(other, referred, tree, at);
    }
    if let Some(alternatives) = schema.get("oneOf").and_then(Value::as_array) {
        let found: Vec<_> = alternatives.iter().map(|one| undeclared(file, one, tree, at)).collect();
        return if found.contains(&None) { None } else { found.into_iter().flatten().next() };
    }
    match tree {
        // A schema without properties, of `expected` say, allows anything.
        Value::Object(members) => schema.get("properties").and_then(|properties| {
            members.iter().find_map(|(name, value)| {
                let at = format!("{at}/{name}");
                match properties.get(name) {
                    Some(schema) => undeclared(file, schema, value, &at),
                    None => Some(at),
                }
            })
        }),
        Value::Array(elements) => schema.get("items").and_then(|items| {
            elements
                .iter()
                .enumerate()
                .find_map(|(i, value)| undeclared(file, items, value, &format!("{at}/{i}")))
        }),
        _ => None,
    }
}
