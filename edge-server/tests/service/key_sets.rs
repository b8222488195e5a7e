//! Key sets: what is missing, resumption, conflicts, deletion.

use http::{Request, StatusCode};
use serde_json::json;

use crate::api::{Api, infer};

#[tokio::test]
async fn an_upload_can_stop_and_go_on() {
    let api = Api::new();
    let mut session = api.session("tiny").await;
    let opened = api.post("/keys", &json!({"model_id": "tiny", "version": "1.0.0"})).await;
    let path = opened.header("location").to_owned();
    assert_eq!(opened.text("/status"), "incomplete");
    let names: Vec<String> = session.key_names().iter().map(ToString::to_string).collect();
    assert_eq!(opened.tree["missing"], json!(names));

    let keys: Vec<Vec<u8>> =
        session.key_names().into_iter().map(|name| session.generate_key(name).unwrap()).collect();
    for (key, entry) in keys.iter().zip(opened.tree["keys"].as_array().unwrap()) {
        assert_eq!(entry["bytes"], key.len(), "the exact length is announced");
    }
    let first = api.put(&format!("{path}/{}", names[0]), keys[0].clone()).await;
    assert_eq!(first.tree["missing"], json!(names[1..]));
    let again = api.put(&format!("{path}/{}", names[0]), keys[0].clone()).await;
    assert_eq!(again.tree, first.tree, "the same bytes again change nothing");

    let input = session.encrypt(&[0.5; 4]).unwrap().payloads.remove(0);
    let early = api.post("/infer", &infer(&input, opened.text("/key_id"))).await;
    assert_eq!(early.is_problem("EVALUATION_KEYS_INCOMPLETE").tree["found"], json!(names[..1]));

    for (name, key) in names.iter().zip(&keys).skip(1) {
        api.put(&format!("{path}/{name}"), key.clone()).await;
    }
    let complete = api.get(&path).await;
    assert_eq!((complete.text("/status"), &complete.tree["missing"]), ("complete", &json!([])));
}

#[tokio::test]
async fn another_key_under_the_same_name_is_a_conflict() {
    let api = Api::new();
    let (mut session, key_id) = api.ready().await;
    let name = session.key_names().remove(0);
    let other = session.generate_key(name).unwrap();
    api.put(&format!("/keys/{key_id}/{name}"), other).await.is_problem("KEY_CONFLICT");
}

#[tokio::test]
async fn deleted_sets_are_gone() {
    let api = Api::new();
    let (mut session, key_id) = api.ready().await;
    let delete = || Request::delete(format!("/keys/{key_id}")).body("").unwrap();
    assert_eq!(api.send(delete()).await.status, StatusCode::NO_CONTENT);
    api.send(delete()).await.is_problem("UNKNOWN_KEY");
    api.get(&format!("/keys/{key_id}")).await.is_problem("UNKNOWN_KEY");
    let input = session.encrypt(&[0.5; 4]).unwrap().payloads.remove(0);
    let answer = api.post("/infer", &infer(&input, &key_id)).await;
    assert_eq!(answer.is_problem("UNKNOWN_KEY").text("/pointer"), "/key_id");
}
