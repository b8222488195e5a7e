//! Keys, encryption, inference, decryption: the answer is the one in the clear.

use data_encoding::{BASE64, HEXLOWER};
use edge_server::{
    Holding, Settings,
    testing::{paired_clear, paired_package, tiny_clear},
};
use http::{Request, StatusCode, header};
use serde_json::json;

use crate::api::{Api, assert_close, infer};

const INPUT: [f64; 4] = [0.5, -0.25, 1.0, 0.75];

#[tokio::test]
async fn answers_in_json_equal_the_clear_ones() {
    let api = Api::new();
    let (mut session, key_id) = api.ready().await;
    let payload = session.encrypt(&INPUT).unwrap().payloads.remove(0);

    let accepted = api.post("/infer", &infer(&payload, &key_id)).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED);
    let location = accepted.header("location").to_owned();
    assert_eq!(location, format!("/jobs/{}", accepted.text("/job_id")));
    assert_eq!(api.get(&location).await.text("/status"), "queued");

    assert_eq!(api.run_jobs().await, 1);
    let job = api.get(&location).await;
    assert_eq!((job.text("/status"), job.text("/result/encoding")), ("completed", "base64"));
    assert_eq!(job.tree["result"]["diagnostics"]["processed_batch_size"], 1);
    let result = BASE64.decode(job.text("/result/payload").as_bytes()).unwrap();
    assert_close(&session.decrypt(&result).unwrap(), &tiny_clear(&INPUT));

    let hex = json!({
        "api_version": "1.0", "model_id": "tiny", "version": "1.0.0", "key_id": key_id,
        "inputs": [{"encoding": "hex", "payload": HEXLOWER.encode(&payload).to_uppercase()}]
    });
    let location = api.post("/infer", &hex).await.header("location").to_owned();
    api.run_jobs().await;
    let job = api.get(&location).await;
    assert_eq!(job.text("/result/encoding"), "hex");
    assert_eq!(
        HEXLOWER.decode(job.text("/result/payload").as_bytes()).unwrap(),
        result,
        "the same bytes again"
    );
}

#[tokio::test]
async fn a_model_with_pairs_of_diagonals_answers_as_in_the_clear() {
    let api = Api::of([paired_package("tiny", "1.0.0", 22)], Settings::default(), Holding::FASTEST);
    let (mut session, key_id) = api.ready().await;
    let payload = session.encrypt(&INPUT).unwrap().payloads.remove(0);
    let location = api.post("/infer", &infer(&payload, &key_id)).await.header("location").to_owned();
    api.run_jobs().await;
    let job = api.get(&location).await;
    let result = BASE64.decode(job.text("/result/payload").as_bytes()).unwrap();
    assert_close(&session.decrypt(&result).unwrap(), &paired_clear(&INPUT));
}

/// `{"model_id", "version", "key_id", "inputs": [{"encoding": "bytes", "payload": h'…'}]}`
fn cbor(payload: &[u8], key_id: &str) -> Vec<u8> {
    let mut body = vec![0xa4];
    let text = |body: &mut Vec<u8>, text: &str| {
        body.extend([0x78, u8::try_from(text.len()).unwrap()]);
        body.extend(text.as_bytes());
    };
    for (name, value) in [("model_id", "tiny"), ("version", "1.0.0"), ("key_id", key_id)] {
        text(&mut body, name);
        text(&mut body, value);
    }
    text(&mut body, "inputs");
    body.extend([0x81, 0xa2]);
    text(&mut body, "encoding");
    text(&mut body, "bytes");
    text(&mut body, "payload");
    body.push(0x5a);
    body.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
    body.extend(payload);
    body
}

#[tokio::test]
async fn answers_in_cbor_are_byte_strings_and_base64_in_json() {
    let api = Api::new();
    let (mut session, key_id) = api.ready().await;
    let payload = session.encrypt(&INPUT).unwrap().payloads.remove(0);
    let request = Request::post("/infer").header(header::CONTENT_TYPE, "application/cbor");
    let accepted = api.send(request.body(cbor(&payload, &key_id)).unwrap()).await;
    assert_eq!(
        (accepted.status, accepted.header("content-type")),
        (StatusCode::ACCEPTED, "application/cbor")
    );
    api.run_jobs().await;

    let location = accepted.header("location");
    let in_json = api.get(location).await;
    assert_eq!(in_json.text("/result/encoding"), "base64");
    let result = BASE64.decode(in_json.text("/result/payload").as_bytes()).unwrap();
    assert_close(&session.decrypt(&result).unwrap(), &tiny_clear(&INPUT));

    let request = Request::get(location).header(header::ACCEPT, "application/cbor");
    let in_cbor = api.send(request.body("").unwrap()).await;
    assert_eq!(in_cbor.text("/result/encoding"), "bytes");
    assert!(
        in_cbor.body.windows(result.len()).any(|window| window == result),
        "the bare bytes are in the body"
    );
}

#[tokio::test]
async fn text_cannot_pass_for_a_byte_string_nor_the_other_way_round() {
    let api = Api::new();
    let (_, key_id) = api.ready().await;
    let mut body = infer(b"", &key_id);
    body["inputs"][0]["encoding"] = "bytes".into();
    api.post("/infer", &body).await.is_problem("INVALID_PAYLOAD_ENCODING");

    let mut body = cbor(b"payload", &key_id);
    let at = body.windows(5).position(|window| window == b"bytes").unwrap();
    body.splice(at - 1..at + 5, *b"\x03hex");
    let request = Request::post("/infer").header(header::CONTENT_TYPE, "application/cbor");
    api.send(request.body(body).unwrap()).await.is_problem("INVALID_PAYLOAD_ENCODING");
}

#[tokio::test]
async fn byte_strings_elsewhere_are_refused() {
    let api = Api::new();
    // {"model_id": h'74', "version": "1.0.0", "inputs": []}
    let body = b"\xa3\x68model_id\x41t\x67version\x651.0.0\x66inputs\x80".to_vec();
    let request = Request::post("/infer").header(header::CONTENT_TYPE, "application/cbor");
    let answer = api.send(request.body(body).unwrap()).await;
    assert_eq!(answer.is_problem("INVALID_ENVELOPE").text("/pointer"), "/model_id");
}
