//! Inferences whose envelope is right and whose meaning is not.

use serde_json::json;

use crate::world::world;

#[test]
fn models_that_there_are_not_are_unknown() {
    for (model_id, version) in [("none", "1.0.0"), ("tiny", "1.0.1"), ("tiny", "2.0.0"), ("TINY", "1.0.0")] {
        let mut body = world().inference();
        body["model_id"] = json!(model_id);
        body["version"] = json!(version);
        let name = format!("{model_id} {version}");
        // A name that the schema does not allow is refused before the registry is asked.
        let code = if model_id == "TINY" { "INVALID_ENVELOPE" } else { "UNKNOWN_MODEL" };
        world().post_json("/infer", &body).is(code, &name);
        world().post_json("/keys", &json!({"model_id": model_id, "version": version})).is(code, &name);
    }
    world().still_serves();
}

#[test]
fn evaluation_keys_must_be_there_all_of_them_and_of_the_model() {
    let mut body = world().inference();
    body.as_object_mut().unwrap().remove("key_id");
    world().post_json("/infer", &body).is("EVALUATION_KEYS_REQUIRED", "no key set");

    body["key_id"] = json!("00112233445566778899aabbccddeeff");
    world().post_json("/infer", &body).is("UNKNOWN_KEY", "an unknown key set");

    let empty = world().open_keys("tiny");
    body["key_id"] = json!(empty);
    world().post_json("/infer", &body).is("EVALUATION_KEYS_INCOMPLETE", "an empty key set");

    let names = world().key_names();
    for &name in &names[1..] {
        let key = world().key(name);
        assert!(world().put_key(&empty, &name.to_string(), &key).status.is_success());
    }
    let answer = world().post_json("/infer", &body);
    answer.is("EVALUATION_KEYS_INCOMPLETE", "one key missing");
    assert!(
        answer.tree.to_string().contains(&names[0].to_string()),
        "the missing key is named: {}",
        answer.tree
    );

    body["key_id"] = json!(world().open_keys("other"));
    world().post_json("/infer", &body).is("KEY_MODEL_MISMATCH", "a key set of another model");
    world().still_serves();
}

#[test]
fn batches_and_numbers_of_inputs_must_fit() {
    let mut body = world().inference();
    body["batch_size"] = json!(2);
    world().post_json("/infer", &body).is("BATCH_TOO_LARGE", "two samples");

    let mut body = world().inference();
    let input = body["inputs"][0].clone();
    body["inputs"].as_array_mut().unwrap().push(input);
    world().post_json("/infer", &body).is("INPUT_COUNT_MISMATCH", "two inputs of one sample");
    world().still_serves();
}

#[test]
fn payloads_must_be_written_as_they_say() {
    let cases = [
        ("hex", "0"),
        ("hex", "0g"),
        ("hex", "0x00"),
        ("hex", " 00"),
        ("base64", "A"),
        ("base64", "AA="),
        ("base64", "AA==="),
        ("base64", "A-_="),
        ("base64", "QUJD\n"),
        ("base64", "QR=="),
        ("bytes", "QUJD"),
    ];
    for (encoding, payload) in cases {
        let mut body = world().inference();
        body["inputs"][0] = json!({"encoding": encoding, "payload": payload});
        world().post_json("/infer", &body).is("INVALID_PAYLOAD_ENCODING", &format!("{encoding} {payload:?}"));
    }
    world().still_serves();
}
