//! Documents, schemas and code say the same.

use std::{collections::BTreeSet, path::Path};

use edge_server::{API_VERSIONS, Code, SCHEMAS, testing::Contract, validator};
use serde_json::Value;

const API: &str = include_str!("../../../docs/api.md");

#[test]
fn the_table_of_errors_in_the_document_is_the_one_in_the_code() {
    let (_, table) = API.split_once("| Code | Status | Retry | When |\n").expect("the table");
    let documented: Vec<&str> = table.lines().skip(1).take_while(|line| line.starts_with('|')).collect();
    let coded: Vec<String> = Code::TABLE
        .iter()
        .map(|entry| {
            let retry = if entry.retryable { "yes" } else { "no" };
            format!("| `{}` | {} | {retry} | {} |", entry.name, entry.status.as_u16(), entry.meaning.trim())
        })
        .collect();
    assert_eq!(documented, coded, "\n{}\n", coded.join("\n"));
}

#[test]
fn every_route_is_described_and_every_description_is_a_route() {
    Contract::new().check_routes();
}

#[test]
fn every_reference_of_the_description_resolves() {
    let contract = Contract::new();
    let mut files = BTreeSet::new();
    walk(contract.openapi(), &mut |value| {
        let Some(target) = value.get("$ref").and_then(Value::as_str) else { return };
        let Some(file) = target.strip_prefix("./schemas/") else {
            let _ = contract.resolve(value);
            return;
        };
        let (file, pointer) = file.split_once('#').unwrap_or((file, ""));
        let (_, text) = SCHEMAS.iter().find(|(name, _)| *name == file).unwrap_or_else(|| panic!("{target}"));
        let schema: Value = serde_json::from_str(text).unwrap();
        assert!(schema.pointer(pointer).is_some(), "{target}");
        files.insert(file.to_owned());
    });
    assert!(files.len() > 8, "{files:?}");
}

#[test]
fn requests_may_name_the_versions_that_the_server_speaks() {
    for (file, text) in SCHEMAS.iter().filter(|(file, _)| file.contains("request")) {
        let schema: Value = serde_json::from_str(text).unwrap();
        assert_eq!(schema["properties"]["api_version"]["enum"], serde_json::json!(API_VERSIONS), "{file}");
    }
}

#[test]
fn every_body_is_a_reference_into_the_schemas() {
    walk(Contract::new().openapi(), &mut |value| {
        for (media, content) in value.get("content").and_then(Value::as_object).into_iter().flatten() {
            if media.ends_with("json") && media != "application/schema+json" || media == "application/cbor" {
                let target = content["schema"]["$ref"].as_str().unwrap_or_default();
                assert!(target.starts_with("./schemas/"), "{media}: {content}");
            }
        }
    });
}

#[test]
fn every_published_schema_is_one_and_is_compiled_in() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas");
    let mut on_disk: Vec<String> =
        folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    on_disk.sort();
    assert_eq!(on_disk, SCHEMAS.iter().map(|(file, _)| *file).collect::<Vec<_>>());
    for (file, text) in SCHEMAS {
        validator(file).unwrap_or_else(|error| panic!("{error}"));
        let schema: Value = serde_json::from_str(text).unwrap();
        assert!(jsonschema::meta::is_valid(&schema), "{file}");
        assert_eq!(schema["$id"], format!("https://encrypted-inference.dev/schemas/{file}"));
    }
}

fn walk(value: &Value, visit: &mut impl FnMut(&Value)) {
    visit(value);
    match value {
        Value::Array(elements) => elements.iter().for_each(|element| walk(element, visit)),
        Value::Object(members) => members.values().for_each(|member| walk(member, visit)),
        _ => {}
    }
}
