//! Bodies that are not what they say, at both endpoints that read documents.

use serde_json::{Value, json};

use crate::world::{CBOR, JSON, world};

const ENDPOINTS: [&str; 2] = ["/infer", "/keys"];

#[test]
fn text_that_is_not_json_is_malformed() {
    let deep = format!("{}1{}", "[".repeat(8_000), "]".repeat(8_000));
    let bodies: [&[u8]; 17] = [
        b"",
        b" ",
        b"{",
        b"}",
        b"nonsense",
        b"{\"model_id\":}",
        b"{'model_id': 'tiny'}",
        b"{\"model_id\": \"tiny\",}",
        b"{} {}",
        b"{}x",
        b"{\"a\": NaN}",
        b"{\"a\": 01}",
        b"{\"a\": 1, \"a\": 2}",
        b"\xef\xbb\xbf{}",
        b"{\"a\": \"\xff\"}",
        b"{\"a\": \"\\ud800\"}",
        deep.as_bytes(),
    ];
    for path in ENDPOINTS {
        for body in bodies {
            let name = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
            world().post(path, JSON, body).is("MALFORMED_BODY", &format!("{path} {name}"));
        }
    }
    world().still_serves();
}

#[test]
fn bytes_that_are_not_cbor_are_malformed() {
    let deep = [vec![0x81; 16_000], vec![0x00]].concat();
    let bodies: [(&str, &[u8]); 12] = [
        ("nothing", b""),
        ("a map without its entry", b"\xa1"),
        ("an entry without its value", b"\xa1\x61a"),
        ("a text longer than the body", b"\xa1\x61a\x7b\xff\xff\xff\xff\xff\xff\xff\xff"),
        ("a byte string longer than the body", b"\xa1\x61a\x5a\x7f\xff\xff\xffab"),
        ("an array of 2^64 - 1 elements", b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff"),
        ("a map of 2^63 entries", b"\xbb\x80\x00\x00\x00\x00\x00\x00\x00"),
        ("a reserved length", b"\x1c"),
        ("a text that is not UTF-8", b"\xa1\x61a\x61\xff"),
        ("bytes after the end", b"\xa0\x00"),
        ("a tag", b"\xc0\xa0"),
        ("arrays in arrays", &deep),
    ];
    for path in ENDPOINTS {
        for (name, body) in bodies {
            world().post(path, CBOR, body).is("MALFORMED_BODY", &format!("{path} {name}"));
        }
    }
    world().still_serves();
}

#[test]
fn values_that_are_no_documents_do_not_match_the_envelope() {
    for path in ENDPOINTS {
        for body in ["null", "true", "1", "-0.5e308", "\"text\"", "[]", "{}"] {
            world().post(path, JSON, body.as_bytes()).is("INVALID_ENVELOPE", &format!("{path} {body}"));
        }
        for body in [b"\xf6" as &[u8], b"\x80", b"\xa0", b"\x00"] {
            world().post(path, CBOR, body).is("INVALID_ENVELOPE", &format!("{path} {body:02x?}"));
        }
    }
    world().still_serves();
}

/// What stands in place of a value of another type.
fn wrong_types(of: &Value) -> Vec<Value> {
    let all = [Value::Null, json!(true), json!(7), json!(-1.5), json!("text"), json!([]), json!({})];
    all.into_iter().filter(|value| std::mem::discriminant(value) != std::mem::discriminant(of)).collect()
}

#[test]
fn members_of_another_type_are_pointed_at() {
    let inference = world().inference();
    for (name, value) in inference.as_object().unwrap() {
        for wrong in wrong_types(value) {
            let mut body = inference.clone();
            body[name] = wrong.clone();
            let answer = world().post_json("/infer", &body);
            answer.is("INVALID_ENVELOPE", &format!("{name}: {wrong}"));
            assert_eq!(answer.text("/pointer"), format!("/{name}"));
        }
    }
    for (name, value) in inference["inputs"][0].as_object().unwrap() {
        for wrong in wrong_types(value) {
            let mut body = inference.clone();
            body["inputs"][0][name] = wrong.clone();
            let answer = world().post_json("/infer", &body);
            answer.is("INVALID_ENVELOPE", &format!("{name}: {wrong}"));
            assert_eq!(answer.text("/pointer"), format!("/inputs/0/{name}"));
        }
    }
    for name in ["model_id", "version"] {
        for wrong in wrong_types(&json!("")) {
            let mut body = json!({"model_id": "tiny", "version": "1.0.0"});
            body[name] = wrong.clone();
            let answer = world().post_json("/keys", &body);
            answer.is("INVALID_ENVELOPE", &format!("{name}: {wrong}"));
            assert_eq!(answer.text("/pointer"), format!("/{name}"));
        }
    }
    world().still_serves();
}

#[test]
fn members_that_are_missing_or_unknown_are_refused() {
    for name in ["model_id", "version", "inputs"] {
        let mut body = world().inference();
        body.as_object_mut().unwrap().remove(name);
        world().post_json("/infer", &body).is("INVALID_ENVELOPE", name);
    }
    for name in ["secret_key", "__proto__", "Model_Id", ""] {
        let mut body = world().inference();
        body[name] = json!("x");
        world().post_json("/infer", &body).is("INVALID_ENVELOPE", name);
        let body = json!({"model_id": "tiny", "version": "1.0.0", name: 1});
        world().post_json("/keys", &body).is("INVALID_ENVELOPE", name);
    }
    world().still_serves();
}

#[test]
fn values_outside_their_range_are_refused() {
    let cases = [
        ("/batch_size", json!(0)),
        ("/batch_size", json!(-1)),
        ("/batch_size", json!(65_537)),
        ("/batch_size", json!(1e300)),
        ("/batch_size", json!(1.5)),
        ("/inputs", json!([])),
        ("/model_id", json!("")),
        ("/model_id", json!("m".repeat(1000))),
        ("/model_id", json!("../../etc/passwd")),
        ("/version", json!("1")),
        ("/version", json!("1.0.0.0")),
        ("/key_id", json!("x")),
        ("/inputs/0/encoding", json!("utf-8")),
    ];
    for (pointer, value) in cases {
        let mut body = world().inference();
        *body.pointer_mut(pointer).unwrap() = value.clone();
        let answer = world().post_json("/infer", &body);
        answer.is("INVALID_ENVELOPE", &format!("{pointer}: {value}"));
        assert_eq!(answer.text("/pointer"), pointer);
    }
    world().still_serves();
}

#[test]
fn other_versions_of_the_protocol_are_refused() {
    for version in ["2.0", "1.2", "0.9", "1", "v1.1", ""] {
        let mut body = world().inference();
        body["api_version"] = json!(version);
        world().post_json("/infer", &body).is("UNSUPPORTED_API_VERSION", version);
        let body = json!({"model_id": "tiny", "version": "1.0.0", "api_version": version});
        world().post_json("/keys", &body).is("UNSUPPORTED_API_VERSION", version);
    }
    world().still_serves();
}

#[test]
fn bodies_longer_than_the_route_accepts_are_refused() {
    let models = world().get("/models");
    let limit = models.tree["models"][0]["constraints"]["max_request_bytes"].as_u64().unwrap();
    let long = vec![b' '; usize::try_from(limit).unwrap() + 1];
    for path in ENDPOINTS {
        for media in [JSON, CBOR] {
            world().post(path, media, &long).is("PAYLOAD_TOO_LARGE", path);
        }
    }
    world().still_serves();
}

#[test]
fn bodies_that_grow_when_they_are_read_stay_within_bounds() {
    let models = world().get("/models");
    let limit = models.tree["models"][0]["constraints"]["max_request_bytes"].as_u64().unwrap() as usize;
    let repeated = |start: &str, part: &str, end: &str| {
        let count = (limit - start.len() - end.len()) / part.len();
        format!("{start}{}{end}", part.repeat(count)).into_bytes()
    };
    let json = [
        ("empty arrays", repeated("[[]", ",[]", "]"), "INVALID_ENVELOPE"),
        ("empty objects", repeated("[{}", ",{}", "]"), "INVALID_ENVELOPE"),
        ("nulls", repeated("[0", ",0", "]"), "INVALID_ENVELOPE"),
        ("one long number", repeated("[1", "1", "]"), "MALFORMED_BODY"),
        ("one long text", repeated("\"", "\\u0061", "\""), "INVALID_ENVELOPE"),
        ("one long name", repeated("{\"", "a", "\":1}"), "INVALID_ENVELOPE"),
        ("brackets", repeated("", "[", ""), "MALFORMED_BODY"),
    ];
    let members: Vec<String> = (0..limit / 16).map(|i| format!("\"m{i}\":0")).collect();
    let many = format!("{{{}}}", members.join(","));
    let before = resident();
    for (name, body, code) in json {
        let answer = world().post("/infer", JSON, &body);
        assert!(
            answer.tree["code"] == code || answer.tree["code"] == "INVALID_ENVELOPE",
            "{name}: {}",
            answer.tree
        );
    }
    world().post("/infer", JSON, many.as_bytes()).is("INVALID_ENVELOPE", "many members");
    for (name, part) in
        [("arrays", 0x80u8), ("maps", 0xa0), ("zeros", 0x00), ("empty texts", 0x60), ("empty bytes", 0x40)]
    {
        let count = (limit - 16) as u32;
        let body = [&[0x9a][..], &count.to_be_bytes(), &vec![part; count as usize]].concat();
        world().post("/infer", CBOR, &body).is("INVALID_ENVELOPE", name);
    }
    // A tree takes some tens of bytes for one of the body: far below this, whatever was sent.
    let grown = resident().saturating_sub(before);
    assert!(grown < 256 << 20, "{grown} bytes more than before");
    world().still_serves();
}

#[test]
fn compressed_bodies_are_not_decompressed() {
    // The start of a gzip stream of zeros; what follows would be a gigabyte.
    let bomb =
        [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xed, 0xc1, 1, 1, 0, 0, 0, 0x80, 0x90, 0xfe, 0xaf, 0xee, 8, 10];
    for coding in ["gzip", "deflate", "br", "zstd", "gzip, gzip", "x-gzip", "aws-chunked"] {
        for path in ENDPOINTS {
            let headers = [("content-type", JSON), ("content-encoding", coding)];
            let answer = world().send(&http::Method::POST, path, &headers, &bomb);
            answer.is("UNSUPPORTED_MEDIA_TYPE", &format!("{path} {coding}"));
        }
    }
    world().still_serves();
}

/// Memory of this process, which the server is part of, in bytes; 0 where the system does not tell.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}
