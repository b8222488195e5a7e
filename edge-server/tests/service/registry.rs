//! One bad package and there is no registry; the message names file, field and rule.

use edge_server::{PackageFiles, Registry, RegistryError, testing::tiny_package};
use serde_json::{Value, json};

fn tiny() -> PackageFiles {
    tiny_package("tiny", "1.0.0", 22)
}

fn refused(files: PackageFiles) -> RegistryError {
    let error = Registry::load([files]).expect_err("must be refused");
    assert_eq!(error.file, "tiny/manifest.json");
    error
}

/// A package whose manifest was changed.
fn changed(change: impl FnOnce(&mut Value)) -> PackageFiles {
    let mut files = tiny();
    let mut manifest = serde_json::from_slice(&files.manifest).unwrap();
    change(&mut manifest);
    files.manifest = manifest.to_string().into_bytes();
    files
}

#[test]
fn an_empty_registry_is_a_registry() {
    assert_eq!(Registry::load([]).unwrap().models().count(), 0);
}

#[test]
fn limits_let_through_what_the_models_take() {
    let registry = Registry::load([tiny()]).unwrap();
    let model = registry.models().next().unwrap();
    let limits = registry.limits();
    assert!(limits.infer_bytes > 2 * model.max_input_bytes());
    assert!(limits.key_bytes > model.evaluation_keys().values().map(|key| key.bytes).max().unwrap());
}

#[test]
fn refuses_what_is_not_json() {
    let error = refused(PackageFiles { manifest: b"{".to_vec(), ..tiny() });
    assert_eq!(error.rule, "must be JSON");
}

#[test]
fn refuses_what_breaks_the_schema() {
    let error = refused(changed(|manifest| manifest["input"]["level"] = json!("two")));
    assert_eq!(error.field, "/input/level");
    assert!(error.rule.contains("model-package.schema.json"), "{error}");
    let error = refused(changed(|manifest| manifest["surprise"] = json!(1)));
    assert!(error.rule.contains("model-package.schema.json"), "{error}");
}

#[test]
fn refuses_what_breaks_a_rule_of_meaning() {
    for (change, field) in [
        (("/parameters/params_id", json!("00".repeat(32))), "/parameters/params_id"),
        (("/output/level", json!(1)), "/output/level"),
        (("/evaluation_keys/galois", json!([])), "/evaluation_keys"),
        (("/program/0/inputs/0", json!(7)), "/program"),
    ] {
        let (pointer, value) = change;
        let error = refused(changed(|manifest| *manifest.pointer_mut(pointer).unwrap() = value));
        assert!(error.field.starts_with(field), "{error}");
    }
}

#[test]
fn refuses_weights_that_were_touched() {
    let mut files = tiny();
    files.weights[0] ^= 1;
    assert!(refused(files).field.starts_with("/weights"));
    let mut files = tiny();
    files.weights.pop();
    assert!(refused(files).field.starts_with("/weights"));
}

#[test]
fn refuses_the_same_model_twice() {
    let error = Registry::load([tiny(), PackageFiles { origin: "copy".to_owned(), ..tiny() }]).unwrap_err();
    assert_eq!((error.file.as_str(), error.field.as_str()), ("copy", "/model_id"));
    assert!(Registry::load([tiny(), tiny_package("tiny", "1.1.0", 22)]).is_ok());
}
