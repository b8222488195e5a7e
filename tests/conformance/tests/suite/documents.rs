//! The examples in the documents are right.

use std::collections::BTreeSet;

use conformance::sentence::{API, errors};
use edge_server::{SCHEMAS, validator};
use serde_json::Value;

const PROBLEMS: &str = include_str!("../../../../docs/problems.md");

/// Every example of a document: its schema, the heading it stands under, and the example.
fn examples(text: &str) -> Vec<(&str, &str, Value)> {
    let (mut found, mut heading, mut lines) = (Vec::new(), "", text.lines());
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("## ") {
            heading = title;
        }
        if let Some(schema) = line.strip_prefix("<!-- example: ").and_then(|line| line.strip_suffix(" -->")) {
            assert_eq!(lines.next(), Some("```json"), "an example of {schema} is no block of JSON");
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let tree =
                serde_json::from_str(&block.join("\n")).unwrap_or_else(|error| panic!("{schema}: {error}"));
            found.push((schema, heading, tree));
        }
    }
    assert_eq!(text.matches("```json").count(), found.len(), "a block of JSON is no example of a schema");
    found
}

#[test]
fn every_message_has_an_example_that_matches_its_schema() {
    let all = [examples(API), examples(PROBLEMS)].concat();
    let mut shown = BTreeSet::new();
    for (schema, heading, example) in &all {
        let validator = validator(schema).unwrap_or_else(|error| panic!("{error}"));
        if let Err(error) = validator.validate(example) {
            panic!("{heading}: an example does not match {schema} at {}: {error}", error.instance_path());
        }
        shown.insert(*schema);
    }
    // Definitions, one entry of `models`, and the format of packages on disk are no messages.
    let no_messages = ["common.schema.json", "model.schema.json", "model-package.schema.json"];
    let messages: BTreeSet<&str> =
        SCHEMAS.iter().map(|(file, _)| *file).filter(|file| !no_messages.contains(file)).collect();
    assert_eq!(shown, messages);
    println!("{} examples of {} messages", all.len(), shown.len());
}

#[test]
fn every_code_has_a_section_with_its_example() {
    let sections: Vec<&str> = PROBLEMS.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let rows = API.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | ")).map(|row| row.0);
    let coded: Vec<&str> = rows.filter(|code| errors().contains_key(code)).collect();
    assert_eq!(sections, coded, "docs/problems.md has the sections of the table, in its order");
    for (_, heading, example) in examples(PROBLEMS) {
        let row = errors()[heading];
        assert_eq!(example["code"], heading);
        assert_eq!(
            (&example["status"], &example["retryable"]),
            (&row.status.into(), &row.retryable.into()),
            "{heading}"
        );
        let kebab = heading.to_ascii_lowercase().replace('_', "-");
        assert_eq!(example["type"], format!("https://encrypted-inference.dev/problems/{kebab}"));
    }
}

/// The pointers of all members that a schema declares; elements of arrays are `*`.
fn declared(file: &str, schema: &Value, at: &str, found: &mut BTreeSet<String>) {
    if let Some(target) = schema["$ref"].as_str() {
        let (other, pointer) = target.split_once('#').unwrap_or((target, ""));
        let other = if other.is_empty() { file } else { other };
        let text = SCHEMAS.iter().find(|(name, _)| *name == other).unwrap().1;
        let whole: Value = serde_json::from_str(text).unwrap();
        return declared(other, whole.pointer(pointer).unwrap(), at, found);
    }
    for alternative in schema["oneOf"].as_array().into_iter().flatten() {
        declared(file, alternative, at, found);
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let at = format!("{at}/{name}");
        declared(file, member, &at, found);
        found.insert(at);
    }
    if schema["items"].is_object() {
        declared(file, &schema["items"], &format!("{at}/*"), found);
    }
}

/// The pointers of all members that a tree has.
fn shown(tree: &Value, at: &str, found: &mut BTreeSet<String>) {
    for (name, value) in tree.as_object().into_iter().flatten() {
        let at = format!("{at}/{name}");
        shown(value, &at, found);
        found.insert(at);
    }
    tree.as_array().into_iter().flatten().for_each(|value| shown(value, &format!("{at}/*"), found));
}

#[test]
fn every_member_of_every_message_is_shown_in_an_example() {
    let all = [examples(API), examples(PROBLEMS)].concat();
    let files: BTreeSet<&str> = all.iter().map(|(schema, _, _)| *schema).collect();
    let mut count = 0;
    for file in files {
        let (mut wanted, mut found) = (BTreeSet::new(), BTreeSet::new());
        let text = SCHEMAS.iter().find(|(name, _)| *name == file).unwrap().1;
        declared(file, &serde_json::from_str(text).unwrap(), "", &mut wanted);
        all.iter()
            .filter(|(schema, _, _)| *schema == file)
            .for_each(|(_, _, tree)| shown(tree, "", &mut found));
        // Shown where problems are shown.
        wanted.retain(|pointer| !pointer.starts_with("/error/"));
        let missing: Vec<&String> = wanted.difference(&found).collect();
        assert!(missing.is_empty(), "{file}: in no example: {missing:?}");
        count += wanted.len();
    }
    println!("{count} members of messages, each in an example");
}

/// Requests of version 1.0.
const REQUESTS_1_0: [&str; 2] = [
    include_str!("../../fixtures/v1.0/infer-request.base64.json"),
    include_str!("../../fixtures/v1.0/infer-request.hex.json"),
];
/// Answers of version 1.0, and the schemas that they have become.
const ANSWERS_1_0: [(&str, &str); 4] = [
    ("health.schema.json", include_str!("../../fixtures/v1.0/health.json")),
    ("models.schema.json", include_str!("../../fixtures/v1.0/models.json")),
    ("infer-accepted.schema.json", include_str!("../../fixtures/v1.0/infer-accepted.json")),
    ("job.schema.json", include_str!("../../fixtures/v1.0/job.json")),
];

#[test]
fn requests_of_version_1_0_still_match_their_schema() {
    let validator = validator("infer-request.schema.json").unwrap();
    for text in REQUESTS_1_0 {
        let request: Value = serde_json::from_str(text).unwrap();
        if let Err(error) = validator.validate(&request) {
            panic!("{error} at {}: {text}", error.instance_path());
        }
    }
}

/// Whether a schema demands a member, at every step of the way; elements of arrays are `*`.
fn is_required(file: &str, schema: &Value, pointer: &[&str]) -> bool {
    if let Some(target) = schema["$ref"].as_str() {
        let (other, place) = target.split_once('#').unwrap_or((target, ""));
        let other = if other.is_empty() { file } else { other };
        let text = SCHEMAS.iter().find(|(name, _)| *name == other).unwrap().1;
        let whole: Value = serde_json::from_str(text).unwrap();
        return is_required(other, whole.pointer(place).unwrap(), pointer);
    }
    match pointer {
        [] => true,
        ["*", rest @ ..] => is_required(file, &schema["items"], rest),
        [name, rest @ ..] => {
            let demands = |schema: &Value| {
                schema["required"].as_array().is_some_and(|names| names.contains(&(*name).into()))
            };
            // `result` is demanded where the job is completed.
            let conditional =
                schema["allOf"].as_array().is_some_and(|all| all.iter().any(|one| demands(&one["then"])));
            (demands(schema) || conditional) && is_required(file, &schema["properties"][name], rest)
        }
    }
}

#[test]
fn every_member_of_answers_of_version_1_0_is_still_demanded() {
    let mut count = 0;
    for (file, text) in ANSWERS_1_0 {
        let (mut members, tree) = (BTreeSet::new(), serde_json::from_str(text).unwrap());
        shown(&tree, "", &mut members);
        let schema: Value =
            serde_json::from_str(SCHEMAS.iter().find(|(name, _)| *name == file).unwrap().1).unwrap();
        for member in &members {
            let steps: Vec<&str> = member.split('/').skip(1).collect();
            assert!(is_required(file, &schema, &steps), "{file} no longer demands {member}");
        }
        count += members.len();
    }
    assert!(count > 25, "{count}");
}
