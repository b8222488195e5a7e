//! Chapter 3: media types, strict reading, payloads.

use ciborium::Value as Cbor;
use http::Method;
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    case::{Case, Verdict, case, ensure},
    request::{CBOR, JSON, Sent, cbor_of, key_set_request},
    target::{Target, payload_of},
};

pub(crate) const CASES: &[Case] = &[
    case("3.1.1", "a request in JSON and the same in CBOR", reads_both_forms),
    case("3.1.2", "bodies without a type, or of another", refuses_other_types),
    case("3.1.3", "Accept with weights", follows_accept),
    case("3.1.4", "no Accept, and */*", answers_in_the_form_of_the_request),
    case("3.1.5", "Accept without JSON and CBOR", refuses_other_forms),
    case("3.1.6", "every answer against its schema, in both forms", answers_match_their_schemas),
    case("3.1.7", "the same answer in both forms", forms_hold_the_same),
    case("3.1.8", "Content-Encoding", does_not_decompress),
    case(
        "3.2.1",
        "bodies that are not well-formed, or have something after the end",
        refuses_malformed_bodies,
    ),
    case("3.2.2", "a member name that stands twice", refuses_repeated_names),
    case("3.2.3", "nesting of 33", refuses_deep_nesting),
    case("3.2.4", "CBOR that JSON has no counterpart for", refuses_foreign_values),
    case("3.2.5", "CBOR lengths that lie", refuses_lying_lengths),
    case("3.2.6", "members that the schema does not have", refuses_unknown_members),
    case("3.2.7", "members missing, of another type, outside their range", points_at_wrong_members),
    case("3.2.8", "a batch size of 1.0", integers_are_integers_by_value),
    case("3.3.1", "hex in either case, base64, a byte string", reads_every_encoding),
    case("3.3.2", "payloads not written as they say", refuses_wrong_encodings),
    case("3.3.3", "the encoding of results", writes_results_as_inputs_were),
];

/// Both endpoints that read documents, with a right body each.
fn documents(target: &Target) -> Result<[(&'static str, Value); 2], String> {
    let (model_id, version) = target.subject_key()?;
    Ok([("/keys", key_set_request(model_id, version)), ("/infer", target.inference()?)])
}

fn reads_both_forms(target: &Target) -> Verdict {
    for (path, body) in documents(target)? {
        for sent in [Sent::json(path, &body), Sent::cbor(path, &cbor_of(&body))] {
            let answer = target.send(sent)?;
            ensure!([200, 201, 202].contains(&answer.status), "{}: {}", answer.name, answer.short());
        }
    }
    Ok(())
}

fn refuses_other_types(target: &Target) -> Verdict {
    let key_path = format!("/keys/{}/relinearization", target.open_key_set()?);
    for media in
        ["text/plain", "application/jsonp", "application/x-www-form-urlencoded", "application/octet-stream"]
    {
        for (path, body) in documents(target)? {
            target
                .send(Sent::post(path, media, body.to_string()))?
                .expect_problem("UNSUPPORTED_MEDIA_TYPE")?;
        }
    }
    for (path, body) in documents(target)? {
        let untyped = Sent::json(path, &body).without("content-type");
        target.send(untyped)?.expect_problem("UNSUPPORTED_MEDIA_TYPE")?;
    }
    let document = Sent::new(Method::PUT, key_path).header("content-type", JSON).body("{}");
    target.send(document)?.expect_problem("UNSUPPORTED_MEDIA_TYPE")
}

/// Demands a media type of an answer to `GET /models`.
fn expect_form(target: &Target, accept: &str, media: &str) -> Verdict {
    let answer = target.send(Sent::get("/models").header("accept", accept))?;
    ensure!(
        answer.header("content-type") == media,
        "Accept {accept}: expected {media}, found {}",
        answer.header("content-type")
    );
    Ok(())
}

fn follows_accept(target: &Target) -> Verdict {
    for (accept, media) in [
        (JSON, JSON),
        (CBOR, CBOR),
        ("application/cbor;q=0.5, application/json;q=0.9", JSON),
        ("application/json;q=0.5, application/cbor;q=0.9", CBOR),
        ("application/json;q=0, */*", CBOR),
        ("text/html, application/cbor;q=0.1", CBOR),
    ] {
        expect_form(target, accept, media)?;
    }
    Ok(())
}

fn answers_in_the_form_of_the_request(target: &Target) -> Verdict {
    expect_form(target, "*/*", JSON)?;
    let (model_id, version) = target.subject_key()?;
    let body = key_set_request(model_id, version);
    for (sent, media) in [(Sent::json("/keys", &body), JSON), (Sent::cbor("/keys", &cbor_of(&body)), CBOR)] {
        let found = target.send(sent)?;
        ensure!(
            found.header("content-type") == media,
            "expected {media}, found {}",
            found.header("content-type")
        );
    }
    Ok(())
}

fn refuses_other_forms(target: &Target) -> Verdict {
    for accept in ["text/html", "application/json;q=0, application/cbor;q=0"] {
        let answer = target.send(Sent::get("/models").header("accept", accept))?;
        answer.expect_problem("NOT_ACCEPTABLE")?;
        ensure!(
            answer.header("content-type") == "application/problem+json",
            "the problem is in {}",
            answer.header("content-type")
        );
    }
    Ok(())
}

/// One right request for every route that answers with a document, and the schema of the answer.
fn everything(target: &Target, accept: &str) -> Result<Vec<(Answer, &'static str)>, String> {
    let client = target.client()?;
    let job = target.infer(&target.inference()?)?;
    let job_path = format!("/jobs/{}", job.text("/job_id")?);
    let (model_id, version) = target.subject_key()?;
    let mut asked = vec![
        (Sent::get("/health"), "health.schema.json"),
        (Sent::get("/models"), "models.schema.json"),
        (Sent::get("/keys"), "parameter-sets.schema.json"),
        (Sent::json("/keys", &key_set_request(model_id, version)), "key-set.schema.json"),
        (Sent::get(format!("/keys/{}", client.key_id)), "key-set.schema.json"),
        (Sent::json("/infer", &target.inference()?), "infer-accepted.schema.json"),
        (Sent::get(job_path), "job.schema.json"),
        (Sent::get("/jobs/none"), "problem.schema.json"),
    ];
    if let Some((name, key)) = client.keys.first_key_value() {
        asked
            .push((Sent::put(format!("/keys/{}/{name}", client.key_id), key.clone()), "key-set.schema.json"));
    }
    asked
        .into_iter()
        .map(|(sent, schema)| Ok((target.send(sent.header("accept", accept))?, schema)))
        .collect()
}

fn answers_match_their_schemas(target: &Target) -> Verdict {
    for accept in [JSON, CBOR] {
        for (answer, schema) in everything(target, accept)? {
            let media = match (accept, schema) {
                (JSON, "problem.schema.json") => "application/problem+json",
                _ => accept,
            };
            ensure!(
                answer.header("content-type") == media,
                "{}: in {}",
                answer.name,
                answer.header("content-type")
            );
            answer.expect_schema(schema)?;
        }
    }
    Ok(())
}

fn forms_hold_the_same(target: &Target) -> Verdict {
    let set = format!("/keys/{}", target.client()?.key_id);
    for path in ["/health", "/models", "/keys", &set, "/jobs/none"] {
        let json = target.send(Sent::get(path).header("accept", JSON))?;
        let cbor = target.send(Sent::get(path).header("accept", CBOR))?;
        ensure!(same(&json.tree, &cbor.tree), "{path}: JSON {} CBOR {}", json.short(), cbor.short());
    }
    Ok(())
}

/// Whether two trees are equal, numbers by their value.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| same(l, r))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, value)| right.get(name).is_some_and(|other| same(value, other)))
        }
        _ => left == right,
    }
}

fn does_not_decompress(target: &Target) -> Verdict {
    for coding in ["gzip", "br", "deflate", "zstd"] {
        for (path, body) in documents(target)? {
            let sent = Sent::json(path, &body).header("content-encoding", coding);
            target.send(sent)?.expect_problem("UNSUPPORTED_MEDIA_TYPE")?;
        }
    }
    Ok(())
}

fn refuse_all(target: &Target, media: &str, bodies: &[&[u8]]) -> Verdict {
    for path in ["/keys", "/infer"] {
        for body in bodies {
            target.send(Sent::post(path, media, *body))?.expect_problem("MALFORMED_BODY").map_err(
                |failure| format!("{failure}; sent {}", String::from_utf8_lossy(&body[..body.len().min(60)])),
            )?;
        }
    }
    Ok(())
}

fn refuses_malformed_bodies(target: &Target) -> Verdict {
    let json: [&[u8]; 10] = [
        b"",
        b"{",
        b"nonsense",
        b"{\"a\":}",
        b"{'a': 1}",
        b"{\"a\": 1,}",
        b"{} {}",
        b"{\"a\": NaN}",
        b"{\"a\": 01}",
        b"{\"a\": \"\xff\"}",
    ];
    refuse_all(target, JSON, &json)?;
    let cbor: [&[u8]; 6] = [b"", b"\xa1", b"\xa1\x61a", b"\xa0\x00", b"\x1c", b"\xa1\x61a\x61\xff"];
    refuse_all(target, CBOR, &cbor)
}

fn refuses_repeated_names(target: &Target) -> Verdict {
    refuse_all(target, JSON, &[br#"{"model_id": "a", "model_id": "a"}"#, br#"{"x": {"a": 1, "a": 1}}"#])?;
    refuse_all(target, CBOR, &[b"\xa2\x61a\x01\x61a\x01"])
}

fn refuses_deep_nesting(target: &Target) -> Verdict {
    for depth in [33, 5000] {
        let json = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        refuse_all(target, JSON, &[json.as_bytes()])?;
        let cbor = [vec![0x81; depth], vec![0x01]].concat();
        refuse_all(target, CBOR, &[&cbor])?;
    }
    Ok(())
}

fn refuses_foreign_values(target: &Target) -> Verdict {
    // A tag, NaN, infinity, undefined, a number as a name, a break alone.
    let bodies: [&[u8]; 6] =
        [b"\xc1\x00", b"\xf9\x7e\x00", b"\xf9\x7c\x00", b"\xf7", b"\xa1\x01\x02", b"\xff"];
    refuse_all(target, CBOR, &bodies)?;
    let (_, version) = target.subject_key()?;
    let entries = [("model_id", Cbor::Bytes(b"x".to_vec())), ("version", Cbor::Text(version.to_owned()))];
    let body = Cbor::Map(entries.map(|(name, value)| (Cbor::Text(name.to_owned()), value)).to_vec());
    target.send(Sent::cbor("/keys", &body))?.expect_problem_at("INVALID_ENVELOPE", "/model_id")
}

fn refuses_lying_lengths(target: &Target) -> Verdict {
    let bodies: [&[u8]; 6] = [
        b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff\x00",
        b"\x5a\x7f\xff\xff\xff\x00",
        b"\xa1\x61a\x7b\x00\x00\x00\xff\xff\xff\xff\xff",
        b"\x9b\x00\xff\xff\xff\xff\xff\xff\xff\x00",
        b"\xbb\x00\xff\xff\xff\xff\xff\xff\xff\x61a\x00",
        b"\x82\x00",
    ];
    refuse_all(target, CBOR, &bodies)
}

fn refuses_unknown_members(target: &Target) -> Verdict {
    for (path, right) in documents(target)? {
        for name in ["secret_key", "Model_Id", ""] {
            let mut body = right.clone();
            body[name] = 1.into();
            target.send(Sent::json(path, &body))?.expect_problem("INVALID_ENVELOPE")?;
        }
    }
    Ok(())
}

fn points_at_wrong_members(target: &Target) -> Verdict {
    for (path, right) in documents(target)? {
        for name in ["model_id", "version"] {
            let mut body = right.clone();
            if let Some(members) = body.as_object_mut() {
                members.remove(name);
            }
            target.send(Sent::json(path, &body))?.expect_problem("INVALID_ENVELOPE")?;
            body[name] = 7.into();
            target
                .send(Sent::json(path, &body))?
                .expect_problem_at("INVALID_ENVELOPE", &format!("/{name}"))?;
        }
    }
    let wrong = [
        ("/batch_size", json!(0)),
        ("/batch_size", json!(1.5)),
        ("/batch_size", json!("1")),
        ("/inputs", json!([])),
        ("/inputs/0/encoding", json!("utf-8")),
        ("/inputs/0/payload", json!(null)),
        ("/version", json!("1")),
        ("/model_id", json!("../x")),
    ];
    for (pointer, value) in wrong {
        let mut body = target.inference()?;
        if let Some(place) = body.pointer_mut(pointer) {
            *place = value;
        }
        target.send(Sent::json("/infer", &body))?.expect_problem_at("INVALID_ENVELOPE", pointer)?;
    }
    Ok(())
}

fn integers_are_integers_by_value(target: &Target) -> Verdict {
    let text = target.inference()?.to_string();
    for one in ["1.0", "1e0"] {
        let text = text.replace("\"batch_size\":1", &format!("\"batch_size\":{one}"));
        let answer = target.send(Sent::post("/infer", JSON, text))?;
        ensure!([200, 202].contains(&answer.status), "a batch size of {one}: {}", answer.short());
    }
    Ok(())
}

/// The right inference with its payload in another encoding.
fn encoded(target: &Target, encoding: &str, payload: &str) -> Result<Value, String> {
    let mut body = target.inference()?;
    body["inputs"][0] = json!({ "encoding": encoding, "payload": payload });
    Ok(body)
}

/// The right inference in CBOR, its payload a byte string.
fn with_byte_string(target: &Target) -> Result<Cbor, String> {
    let mut body = cbor_of(&encoded(target, "bytes", "")?);
    let payload = target.client()?.payload.clone();
    fn set(value: &mut Cbor, payload: &[u8]) {
        match value {
            Cbor::Map(entries) => entries.iter_mut().for_each(|(name, value)| {
                if name.as_text() == Some("payload") {
                    *value = Cbor::Bytes(payload.to_vec());
                } else {
                    set(value, payload);
                }
            }),
            Cbor::Array(elements) => elements.iter_mut().for_each(|element| set(element, payload)),
            _ => {}
        }
    }
    set(&mut body, &payload);
    Ok(body)
}

fn reads_every_encoding(target: &Target) -> Verdict {
    let payload = &target.client()?.payload;
    let texts = [
        ("hex", data_encoding::HEXLOWER.encode(payload)),
        ("hex", data_encoding::HEXUPPER.encode(payload)),
        ("base64", data_encoding::BASE64.encode(payload)),
    ];
    for (encoding, text) in texts {
        target.infer(&encoded(target, encoding, &text)?)?;
    }
    let answer = target.send(Sent::cbor("/infer", &with_byte_string(target)?))?;
    ensure!([200, 202].contains(&answer.status), "a byte string: {}", answer.short());
    Ok(())
}

fn refuses_wrong_encodings(target: &Target) -> Verdict {
    for (encoding, payload) in [
        ("hex", "0"),
        ("hex", "0g"),
        ("hex", "0x00"),
        ("base64", "A"),
        ("base64", "AA"),
        ("base64", "AB=="),
        ("base64", "A-_="),
        ("base64", "AAAA\n"),
        ("bytes", "00"),
    ] {
        let answer = target.send(Sent::json("/infer", &encoded(target, encoding, payload)?))?;
        answer.expect_problem_at("INVALID_PAYLOAD_ENCODING", "/inputs/0/payload")?;
    }
    Ok(())
}

fn writes_results_as_inputs_were(target: &Target) -> Verdict {
    let hex = data_encoding::HEXLOWER.encode(&target.client()?.payload);
    let first = target.infer(&encoded(target, "hex", &hex)?)?;
    ensure!(first.text("/result/encoding")? == "hex", "hex became {}", first.text("/result/encoding")?);
    let second = target.infer(&target.inference()?)?;
    ensure!(
        second.text("/result/encoding")? == "base64",
        "base64 became {}",
        second.text("/result/encoding")?
    );
    let accepted = target.send(Sent::cbor("/infer", &with_byte_string(target)?))?;
    let id = accepted.text("/job_id")?.to_owned();
    let third = target.finished(&id)?;
    ensure!(
        third.text("/result/encoding")? == "base64",
        "bytes became {} in JSON",
        third.text("/result/encoding")?
    );
    let fourth = target.send(Sent::get(format!("/jobs/{id}")).header("accept", CBOR))?;
    ensure!(
        fourth.text("/result/encoding")? == "bytes",
        "bytes became {} in CBOR",
        fourth.text("/result/encoding")?
    );
    let payloads = [&first, &second, &third, &fourth].map(payload_of);
    let [Ok(one), Ok(two), Ok(three), Ok(four)] = payloads else {
        return Err("a payload is not written as it says".to_owned());
    };
    ensure!(one == two && two == three && three == four, "the same result differs by its encoding");
    Ok(())
}
