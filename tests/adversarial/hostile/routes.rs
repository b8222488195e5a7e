//! Paths, methods, headers.

use http::{Method, StatusCode, header};
use serde_json::json;

use crate::world::{JSON, world};

const UNKNOWN: &str = "00112233445566778899aabbccddeeff";

#[test]
fn paths_that_are_none_are_not_found() {
    for path in [
        "/",
        "/v1/models",
        "/models/",
        "/models/tiny",
        "/infer/",
        "/jobs",
        "/keys/a/b/c",
        "//models",
        "/%6dodels",
        "/schemas/../openapi.yaml",
        "/schemas/none.json",
    ] {
        world().get(path).is("NOT_FOUND", path);
    }
    world().still_serves();
}

#[test]
fn methods_that_a_path_has_not_are_refused_and_those_it_has_are_named() {
    let job = format!("/jobs/{UNKNOWN}");
    let set = format!("/keys/{UNKNOWN}");
    let key = format!("{set}/relinearization");
    let cases = [
        ("/health", vec![Method::POST, Method::PUT, Method::DELETE, Method::PATCH], "GET"),
        ("/models", vec![Method::POST, Method::DELETE], "GET"),
        ("/keys", vec![Method::PUT, Method::DELETE], "POST"),
        ("/infer", vec![Method::GET, Method::PUT, Method::DELETE], "POST"),
        (&job, vec![Method::POST, Method::PUT], "DELETE"),
        (&set, vec![Method::POST, Method::PUT], "DELETE"),
        (&key, vec![Method::GET, Method::POST, Method::DELETE], "PUT"),
        ("/openapi.yaml", vec![Method::POST], "GET"),
        ("/schemas/job.schema.json", vec![Method::PUT], "GET"),
    ];
    for (path, methods, allowed) in cases {
        for method in methods {
            let answer = world().send(&method, path, &[], b"");
            answer.is("METHOD_NOT_ALLOWED", &format!("{method} {path}"));
            let allow = answer.headers[header::ALLOW].to_str().unwrap();
            assert!(allow.split(", ").any(|each| each == allowed), "{path}: {allow}");
        }
    }
    world().still_serves();
}

#[test]
fn identifiers_that_are_none_are_unknown() {
    let names = [UNKNOWN, "0", "..", "%00", "%ff%fe", "' OR 1=1 --", "a".repeat(300).as_str()]
        .map(|name| name.replace(' ', "%20"));
    for name in names {
        world().get(&format!("/jobs/{name}")).is("UNKNOWN_JOB", &name);
        world().get(&format!("/keys/{name}")).is("UNKNOWN_KEY", &name);
        world().send(&Method::DELETE, &format!("/keys/{name}"), &[], b"").is("UNKNOWN_KEY", &name);
        world().put_key(&name, "relinearization", b"").is("UNKNOWN_KEY", &name);
    }
    world().still_serves();
}

#[test]
fn forms_of_answer_that_there_are_not_are_refused() {
    for path in ["/health", "/models", "/keys", &format!("/jobs/{UNKNOWN}"), &format!("/keys/{UNKNOWN}")] {
        for accept in ["text/html", "application/xml;q=1", "application/json;q=0", "nonsense"] {
            let answer = world().send(&Method::GET, path, &[("accept", accept)], b"");
            answer.is("NOT_ACCEPTABLE", &format!("{path} {accept}"));
        }
    }
    world().still_serves();
}

#[test]
fn bodies_without_a_type_or_of_another_are_refused() {
    let set = format!("/keys/{}/relinearization", world().key_id);
    for (method, path) in [(Method::POST, "/infer"), (Method::POST, "/keys"), (Method::PUT, set.as_str())] {
        for media in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json", ""] {
            let answer = world().send(&method, path, &[("content-type", media)], b"{}");
            answer.is("UNSUPPORTED_MEDIA_TYPE", &format!("{method} {path} {media}"));
        }
    }
    world().put_key(&world().key_id, "relinearization", b"").is("INVALID_KEY", "an empty key");
    world()
        .send(&Method::PUT, &set, &[("content-type", JSON)], b"{}")
        .is("UNSUPPORTED_MEDIA_TYPE", "a key in JSON");
    world().still_serves();
}

#[test]
fn preferences_that_are_none_are_ignored() {
    for prefer in [
        "wait=",
        "wait=-1",
        "wait=99999999999999999999",
        "wait=NaN",
        "wait=1;wait=2",
        "respond-async, wait",
        "\u{e9}",
    ] {
        assert_eq!(
            world().send(&Method::GET, "/models", &[("prefer", prefer)], b"").status,
            StatusCode::OK,
            "{prefer}"
        );
        let answer = world().send(&Method::GET, &format!("/jobs/{UNKNOWN}"), &[("prefer", prefer)], b"");
        answer.is("UNKNOWN_JOB", prefer);
    }
    world().still_serves();
}

#[test]
fn idempotency_keys_that_are_none_are_refused() {
    let (infer, open) = (world().inference(), json!({"model_id": "tiny", "version": "1.0.0"}));
    for key in ["", &"k".repeat(256)] {
        for (path, body) in [("/infer", &infer), ("/keys", &open)] {
            let (headers, body) = ([("content-type", JSON), ("idempotency-key", key)], body.to_string());
            world().send(&Method::POST, path, &headers, body.as_bytes()).is("INVALID_ENVELOPE", path);
        }
    }
    world().still_serves();
}

#[test]
fn an_idempotency_key_does_not_answer_for_another_request() {
    let headers = [("content-type", JSON), ("idempotency-key", "hostile-conflict")];
    let first = world().inference().to_string();
    assert!(world().send(&Method::POST, "/infer", &headers, first.as_bytes()).status.is_success());
    let second = world().inference_of(&world().encrypt(&[0.0; 4])).to_string();
    world()
        .send(&Method::POST, "/infer", &headers, second.as_bytes())
        .is("IDEMPOTENCY_CONFLICT", "another body");
    world().still_serves();
}
