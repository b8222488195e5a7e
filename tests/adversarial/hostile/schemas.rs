//! The server refuses exactly what the published schemas refuse: every value in every place.

use edge_server::validator;
use serde_json::{Value, json};

use crate::world::world;

/// Values of every type, at the edges.
fn values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(-1),
        json!(1.5),
        json!(1.0),
        json!(65_536),
        json!(65_537),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1e300),
        json!(-1e-300),
        json!(""),
        json!(" "),
        json!("a"),
        json!("A"),
        json!("tiny"),
        json!("tiny\u{0}"),
        json!("1.0"),
        json!("1.0.0"),
        json!("1.0.0-rc.1"),
        json!("1.0.0\n"),
        json!("01.0.0"),
        json!("hex"),
        json!("base64"),
        json!("bytes"),
        json!("HEX"),
        json!("00112233445566778899aabbccddeeff"),
        json!("00112233445566778899AABBCCDDEEFF"),
        json!("x".repeat(5000)),
        json!("\u{202e}\u{fffd}😀"),
        json!([]),
        json!([[]]),
        json!([1, 2]),
        json!({}),
        json!({ "encoding": "hex", "payload": "00" }),
        json!([{ "encoding": "hex", "payload": "00" }]),
        json!([{ "encoding": "hex", "payload": "00", "more": 1 }]),
        json!([{ "encoding": "hex" }]),
    ]
}

/// The place of every value in a tree.
fn places(tree: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match tree {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| places(value, &format!("{at}/{name}"), found))
        }
        Value::Array(elements) => elements
            .iter()
            .enumerate()
            .for_each(|(index, value)| places(value, &format!("{at}/{index}"), found)),
        _ => {}
    }
}

#[test]
fn every_value_in_every_place_is_refused_by_schema_and_server_alike() {
    let mut inference = world().inference();
    inference["api_version"] = "1.1".into();
    let key_set = json!({ "api_version": "1.1", "model_id": "tiny", "version": "1.0.0" });
    let (mut refused, mut passed) = (0, 0);
    for (path, schema, right) in [
        ("/infer", "infer-request.schema.json", inference),
        ("/keys", "key-set-request.schema.json", key_set),
    ] {
        let validator = validator(schema).unwrap();
        assert!(validator.is_valid(&right));
        let mut all = Vec::new();
        places(&right, "", &mut all);
        for place in &all {
            let mut bodies: Vec<Value> = values()
                .into_iter()
                .map(|value| {
                    let mut body = right.clone();
                    *body.pointer_mut(place).unwrap() = value;
                    body
                })
                .collect();
            // Without the member, and with one more beside it.
            if let Some((parent, name)) = place.rsplit_once('/') {
                for more in [None, Some(json!(1))] {
                    let mut body = right.clone();
                    if let Some(members) = body.pointer_mut(parent).and_then(Value::as_object_mut) {
                        match more {
                            None => drop(members.remove(name)),
                            Some(value) => drop(members.insert(format!("{name}_"), value)),
                        }
                    }
                    bodies.push(body);
                }
            }
            for body in bodies {
                let answer = world().post_json(path, &body);
                let name =
                    format!("{path}{place}: {}", body.to_string().chars().take(200).collect::<String>());
                let other_version =
                    body["api_version"].as_str().is_some_and(|version| !["1.0", "1.1"].contains(&version));
                if other_version {
                    answer.is("UNSUPPORTED_API_VERSION", &name);
                } else if validator.is_valid(&body) {
                    assert_ne!(answer.tree["code"], "INVALID_ENVELOPE", "{name}: the schema allows it");
                    passed += 1;
                } else {
                    answer.is("INVALID_ENVELOPE", &name);
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 300 && passed > 30, "{refused} refused by both, {passed} passed by both");
    world().still_serves();
}
