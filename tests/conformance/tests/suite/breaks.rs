//! One way to break each sentence.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use http::Method;
use serde_json::{Value, json};

use crate::{
    proxy::{Asked, Break, Got},
    world::TOKEN,
};

type Named = (&'static str, Arc<Break>);

/// Refusals that are let through, by sentence and code.
const FORGOTTEN: [(&str, &str); 28] = [
    ("3.1.2", "UNSUPPORTED_MEDIA_TYPE"),
    ("3.1.5", "NOT_ACCEPTABLE"),
    ("3.2.1", "MALFORMED_BODY"),
    ("3.2.2", "MALFORMED_BODY"),
    ("3.2.3", "MALFORMED_BODY"),
    ("3.2.4", "MALFORMED_BODY"),
    ("3.2.5", "MALFORMED_BODY"),
    ("3.2.6", "INVALID_ENVELOPE"),
    ("3.3.2", "INVALID_PAYLOAD_ENCODING"),
    ("4.4.3", "UNKNOWN_MODEL"),
    ("4.5.2", "UNKNOWN_KEY"),
    ("4.6.3", "KEY_CONFLICT"),
    ("4.6.4", "INVALID_KEY"),
    ("4.6.5", "LEVEL_MISMATCH"),
    ("4.6.6", "UNKNOWN_KEY_NAME"),
    ("4.8.5", "INVALID_CIPHERTEXT"),
    ("4.8.6", "TRANSPARENT_CIPHERTEXT"),
    ("4.8.7", "PARAMETER_MISMATCH"),
    ("4.8.8", "LEVEL_MISMATCH"),
    ("4.8.9", "SCALE_MISMATCH"),
    ("4.8.10", "EVALUATION_KEYS_REQUIRED"),
    ("4.8.11", "EVALUATION_KEYS_INCOMPLETE"),
    ("4.8.12", "KEY_MODEL_MISMATCH"),
    ("4.8.13", "BATCH_TOO_LARGE"),
    ("4.8.14", "INPUT_COUNT_MISMATCH"),
    ("4.9.2", "UNKNOWN_JOB"),
    ("4.12.2", "UNKNOWN_JOB"),
    ("9.1.3", "UNSUPPORTED_API_VERSION"),
];

/// Every sentence that has a case, with a way to break it.
pub(crate) fn breaks() -> Vec<Named> {
    let forgotten = FORGOTTEN.map(|(sentence, code)| (sentence, forget(code)));
    [forgotten.to_vec(), messages(), endpoints(), headers(), rules()].concat()
}

/// Answers a refusal with success.
fn forget(code: &'static str) -> Arc<Break> {
    // The code stands in the body as it is, in JSON and in CBOR.
    let names = move |body: &[u8]| body.windows(code.len()).any(|window| window == code.as_bytes());
    answer(move |_, got| if got.status >= 400 && names(&got.body) { Got::new(200, "{}") } else { got })
}

/// Changes requests.
fn request(change: impl Fn(&mut Asked) + Send + Sync + 'static) -> Arc<Break> {
    Arc::new(move |mut asked, forward| {
        change(&mut asked);
        forward(asked)
    })
}

/// Changes answers.
fn answer(change: impl Fn(&Asked, Got) -> Got + Send + Sync + 'static) -> Arc<Break> {
    Arc::new(move |asked, forward| {
        let got = forward(asked.clone());
        change(&asked, got)
    })
}

/// Changes JSON answers to requests that start like this.
fn edit(
    method: Method,
    start: &'static str,
    change: impl Fn(&mut Value) + Send + Sync + 'static,
) -> Arc<Break> {
    answer(move |asked, got| if asked.is(&method, start) { got.edit(&change) } else { got })
}

/// Refuses requests that it should not.
fn refuse(wrongly: impl Fn(&Asked) -> bool + Send + Sync + 'static) -> Arc<Break> {
    Arc::new(move |asked, forward| if wrongly(&asked) { Got::new(400, "{}") } else { forward(asked) })
}

fn drop_header(name: &'static str) -> Arc<Break> {
    answer(move |_, got| got.without(name))
}

fn ignore_header(name: &'static str) -> Arc<Break> {
    request(move |asked| drop(asked.headers.remove(name)))
}

/// Changes the payload of results, given how many there were before.
fn corrupt(change: impl Fn(&mut [u8], u64) + Send + Sync + 'static) -> Arc<Break> {
    let count = AtomicU64::new(0);
    edit(Method::GET, "/jobs/", move |tree| {
        let Some(text) = tree.pointer("/result/payload").and_then(Value::as_str) else { return };
        let mut payload = data_encoding::BASE64.decode(text.as_bytes()).unwrap();
        change(&mut payload, count.fetch_add(1, Ordering::Relaxed));
        tree["result"]["payload"] = data_encoding::BASE64.encode(&payload).into();
    })
}

fn messages() -> Vec<Named> {
    vec![
        ("3.1.1", refuse(|asked| asked.header("content-type") == "application/cbor")),
        ("3.1.3", ignore_header("accept")),
        ("3.1.4", request(|asked| drop(asked.headers.insert("accept", "application/json".parse().unwrap())))),
        (
            "3.1.6",
            edit(Method::GET, "/health", |tree| drop(tree.as_object_mut().unwrap().remove("api_version"))),
        ),
        ("3.1.7", edit(Method::GET, "/models", |tree| tree["models"][0]["description"] = "another".into())),
        ("3.1.8", ignore_header("content-encoding")),
        (
            "3.2.7",
            answer(|_, got| {
                got.edit(|tree| drop(tree.as_object_mut().map(|members| members.remove("pointer"))))
            }),
        ),
        ("3.2.8", refuse(|asked| asked.text().contains("\"batch_size\":1e0"))),
        ("3.3.1", refuse(|asked| asked.text().contains("\"encoding\":\"hex\""))),
        (
            "3.3.3",
            edit(Method::GET, "/jobs/", |tree| {
                if tree["result"].is_object() {
                    tree["result"]["encoding"] = "base64".into();
                }
            }),
        ),
    ]
}

fn endpoints() -> Vec<Named> {
    let uploads: Mutex<HashSet<(String, Vec<u8>)>> = Mutex::default();
    vec![
        ("4.1.1", edit(Method::GET, "/health", |tree| tree["api_version"] = "1.0".into())),
        ("4.1.2", refuse(|asked| asked.path == "/health" && asked.header("authorization").is_empty())),
        (
            "4.2.1",
            edit(Method::GET, "/models", |tree| tree["models"][0]["inference"]["input_dimension"] = 5.into()),
        ),
        (
            "4.2.2",
            edit(Method::GET, "/models", |tree| {
                tree["models"][0]["encryption_parameters"]["scale"] = 1.into()
            }),
        ),
        (
            "4.2.3",
            edit(Method::GET, "/models", |tree| {
                tree["models"]
                    .as_array_mut()
                    .unwrap()
                    .iter_mut()
                    .for_each(|model| model["sizes"]["result_bytes"] = 1.into())
            }),
        ),
        (
            "4.3.1",
            edit(Method::GET, "/keys", |tree| tree["parameter_sets"][0]["params_id"] = "0".repeat(64).into()),
        ),
        (
            "4.3.2",
            edit(Method::GET, "/keys", |tree| tree["parameter_sets"][0]["security"]["bits"] = 256.into()),
        ),
        ("4.3.3", edit(Method::GET, "/keys", |tree| tree["parameter_sets"][0]["models"] = json!([]))),
        (
            "4.4.1",
            answer(|asked, got| if asked.is(&Method::POST, "/keys") { got.without("location") } else { got }),
        ),
        ("4.4.2", edit(Method::POST, "/keys", |tree| tree["keys"][0]["bytes"] = 7.into())),
        ("4.5.1", edit(Method::GET, "/keys/", |tree| tree["missing"] = json!([]))),
        (
            "4.6.1",
            edit(Method::PUT, "/keys/", |tree| {
                tree["keys"]
                    .as_array_mut()
                    .into_iter()
                    .flatten()
                    .for_each(|key| key["present"] = false.into());
            }),
        ),
        (
            "4.6.2",
            refuse(move |asked| {
                asked.method == Method::PUT
                    && !uploads.lock().unwrap().insert((asked.path.clone(), asked.body.clone()))
            }),
        ),
        ("4.6.7", edit(Method::GET, "/keys/", |tree| tree["missing"] = json!([]))),
        (
            "4.7.1",
            Arc::new(
                |asked, forward| {
                    if asked.method == Method::DELETE { Got::new(204, "") } else { forward(asked) }
                },
            ),
        ),
        ("4.8.1", edit(Method::POST, "/infer", |tree| tree["status"] = "queued".into())),
        ("4.8.2", corrupt(|payload, _| payload[60..400].fill(0))),
        // A ciphertext of kind 7.
        ("4.8.3", refuse(|asked| asked.text().contains("\"Q0tLUwIH"))),
        ("4.8.4", refuse(|asked| asked.path == "/infer" && !asked.text().contains("batch_size"))),
        (
            "4.9.1",
            edit(Method::GET, "/jobs/", |tree| {
                if tree["result"].is_object() {
                    tree["result"]["model_id"] = "another".into();
                }
            }),
        ),
        (
            "4.10.1",
            answer(
                |asked, got| {
                    if asked.path == "/openapi.yaml" { got.with("content-type", "text/plain") } else { got }
                },
            ),
        ),
        ("4.10.2", answer(|_, got| if got.status == 404 { Got::new(404, "{}") } else { got })),
        ("4.11.1", refuse(|asked| asked.method == Method::HEAD)),
        (
            "4.11.2",
            answer(|asked, got| if asked.method == Method::OPTIONS { got.without("allow") } else { got }),
        ),
        ("4.11.3", answer(|_, got| if got.status == 405 { got.without("allow") } else { got })),
        ("4.11.4", request(|asked| asked.path = asked.path.trim_end_matches('/').to_owned())),
        (
            "4.12.1",
            Arc::new(
                |asked, forward| {
                    if asked.is(&Method::DELETE, "/jobs/") { Got::new(204, "") } else { forward(asked) }
                },
            ),
        ),
        ("4.13.1", edit(Method::GET, "/limits", |tree| tree["key_sets"]["used"] = 0.into())),
        ("4.14.1", refuse(|asked| asked.path == "/ready" && asked.header("authorization").is_empty())),
    ]
}

fn headers() -> Vec<Named> {
    let count = AtomicU64::new(0);
    vec![
        ("5.1.1", drop_header("www-authenticate")),
        (
            "5.1.2",
            request(|asked| {
                if !asked.headers.contains_key("authorization") {
                    return;
                }
                asked.headers.insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
            }),
        ),
        ("5.2.1", ignore_header("idempotency-key")),
        ("5.2.2", ignore_header("idempotency-key")),
        (
            "5.2.3",
            request(|asked| {
                if asked.header("idempotency-key").len() > 255 {
                    asked.headers.remove("idempotency-key");
                }
            }),
        ),
        ("5.3.1", ignore_header("prefer")),
        ("5.3.2", answer(|_, got| got.with("preference-applied", "wait=999999"))),
        (
            "5.3.3",
            request(|asked| {
                if asked.header("prefer") == "wait=soon" {
                    asked.headers.insert("prefer", "wait=5".parse().unwrap());
                }
            }),
        ),
        ("5.4.1", drop_header("etag")),
        ("5.4.2", ignore_header("if-none-match")),
        ("5.5.1", drop_header("retry-after")),
        ("5.6.1", drop_header("x-request-id")),
        (
            "5.6.2",
            answer(move |_, got| {
                got.with("x-request-id", &count.fetch_add(1, Ordering::Relaxed).to_string())
            }),
        ),
        ("5.7.1", answer(|_, got| got.with("cache-control", "public, max-age=60"))),
        ("5.7.2", drop_header("x-content-type-options")),
        ("5.7.3", drop_header("vary")),
        ("5.8.1", drop_header("access-control-allow-headers")),
        ("5.8.2", drop_header("access-control-expose-headers")),
        ("5.9.1", drop_header("ratelimit")),
    ]
}

fn rules() -> Vec<Named> {
    let used: Mutex<HashSet<String>> = Mutex::default();
    let (looks, results, reads) = (AtomicU64::new(0), AtomicU64::new(1), AtomicU64::new(0));
    vec![
        // The payload is looked at before the model.
        (
            "6.1.1",
            Arc::new(|asked, forward| {
                let early = asked.text().contains("no-such-model") && asked.text().contains("\"A\"");
                let got = forward(asked);
                if early { got.edit(|tree| tree["code"] = "INVALID_PAYLOAD_ENCODING".into()) } else { got }
            }),
        ),
        (
            "6.1.2",
            refuse(move |asked| {
                let name = asked.header("idempotency-key").to_owned();
                !name.is_empty() && !used.lock().unwrap().insert(name)
            }),
        ),
        (
            "7.1.1",
            edit(Method::GET, "/jobs/", move |tree| {
                let status = ["running", "queued"][usize::from(looks.fetch_add(1, Ordering::Relaxed) > 0)];
                *tree = json!({ "job_id": tree["job_id"], "status": status });
            }),
        ),
        (
            "7.1.2",
            edit(Method::GET, "/jobs/", move |tree| {
                if tree["result"].is_object() {
                    tree["result"]["diagnostics"]["requested_batch_size"] =
                        results.fetch_add(1, Ordering::Relaxed).into();
                }
            }),
        ),
        ("7.1.3", corrupt(|payload, count| payload[60] ^= count as u8)),
        (
            "7.1.4",
            answer(move |_, got| got.with("etag", &format!("\"{}\"", reads.fetch_add(1, Ordering::Relaxed)))),
        ),
        (
            "8.1.1",
            answer(
                |_, got| if got.status >= 400 { got.with("content-type", "application/json") } else { got },
            ),
        ),
        (
            "8.1.2",
            answer(|_, got| {
                if got.status >= 400 { got.edit(|tree| tree["type"] = "about:blank".into()) } else { got }
            }),
        ),
        (
            "8.1.3",
            answer(
                |_, got| {
                    if got.status >= 400 { got.edit(|tree| tree["retryable"] = true.into()) } else { got }
                },
            ),
        ),
        (
            "8.1.4",
            answer(|asked, got| {
                if got.status >= 400 { got.edit(|tree| tree["detail"] = asked.text().into()) } else { got }
            }),
        ),
        ("9.1.1", refuse(|asked| asked.method == Method::POST && !asked.text().contains("api_version"))),
        ("9.1.2", refuse(|asked| asked.text().contains("\"api_version\":\"1.0\""))),
        (
            "9.1.4",
            edit(Method::GET, "/models", |tree| {
                tree["models"]
                    .as_array_mut()
                    .unwrap()
                    .iter_mut()
                    .for_each(|model| drop(model.as_object_mut().unwrap().remove("he_scheme")))
            }),
        ),
        ("10.1.1", forget("PAYLOAD_TOO_LARGE")),
        ("10.1.2", refuse(|asked| asked.path == "/keys" && asked.body.len() > 16_000)),
        ("10.1.3", forget("INVALID_KEY")),
    ]
}
