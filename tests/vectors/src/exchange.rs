//! `exchange.json`: a whole conversation with a server, natively only.

use std::sync::Arc;

use bytes::Bytes;
use ckks_client::{ModelSpec, ParameterSpec, Session};
use ckks_core::Seed;
use data_encoding::BASE64;
use edge_server::{
    Registry, Service, Settings,
    testing::{TestHost, tiny_clear, tiny_package},
};
use futures_util::FutureExt;
use http::{Method, Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::file::{File, Vector, hex};

/// The seed of the client's session.
const SESSION_SEED: [u8; 32] = [0x33; 32];
const VALUES: [f64; 4] = [0.5, -0.25, 1.0, 0.75];
/// Headers of answers that say something about the protocol.
const HEADERS: [&str; 5] = ["content-type", "location", "preference-applied", "etag", "allow"];

/// A service whose identifiers count, and the conversation so far.
struct Talk {
    service: Service<TestHost>,
    vectors: Vec<Vector>,
}

impl Talk {
    /// Sends a request and keeps it with its answer. Nothing in this host ever waits.
    fn send(&mut self, name: &str, shows: &str, request: Request<Vec<u8>>) -> Response<Bytes> {
        let mut vector = Vector::new(name, shows)
            .given("method", request.method().as_str())
            .given("path", request.uri().path())
            .given("headers", headers(request.headers().iter()));
        vector = match request.headers().get("content-type").map(|media| media.as_bytes()) {
            None => vector,
            Some(b"application/json") => vector.given("body", text(request.body())),
            Some(b"application/octet-stream") => vector
                .given("body_sha256", hex(Sha256::digest(request.body())))
                .given("body_bytes", request.body().len()),
            Some(_) => vector.given("body_hex", hex(request.body())),
        };
        let request = request.map(|body| Full::new(Bytes::from(body)));
        let response = self.service.handle(request).now_or_never().unwrap();
        let shown = response.headers().iter().filter(|(name, _)| HEADERS.contains(&name.as_str()));
        vector = vector.gives("status", response.status().as_u16()).gives("headers", headers(shown));
        vector = match response.headers().get("content-type") {
            Some(media) if media == "application/cbor" => vector.gives("body_hex", hex(response.body())),
            _ => vector.gives("body", text(response.body())),
        };
        self.vectors.push(vector);
        response
    }

    /// Adds something to the last exchange.
    fn add(&mut self, change: impl FnOnce(Vector) -> Vector) {
        let last = self.vectors.pop().unwrap();
        self.vectors.push(change(last));
    }
}

fn headers<'a>(headers: impl Iterator<Item = (&'a http::HeaderName, &'a http::HeaderValue)>) -> Value {
    headers.map(|(name, value)| (name.to_string(), Value::from(value.to_str().unwrap()))).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn get(path: &str) -> Request<Vec<u8>> {
    Request::get(path).body(Vec::new()).unwrap()
}

fn post(path: &str, media: &str, body: impl Into<Vec<u8>>) -> Request<Vec<u8>> {
    Request::post(path).header("content-type", media).body(body.into()).unwrap()
}

pub(crate) fn file() -> File {
    const JSON: &str = "application/json";
    let registry = Registry::load([tiny_package("tiny", "1.0.0", 22)]).unwrap();
    let service = Service::new(TestHost::new(), Arc::new(registry), Settings::default()).unwrap();
    let mut talk = Talk { service, vectors: Vec::new() };
    let tree = |response: Response<Bytes>| -> Value { serde_json::from_slice(response.body()).unwrap() };

    let models = tree(talk.send("models", "what the server offers", get("/models")));
    let sets = tree(talk.send("parameter sets", "the exact parameters", get("/keys")));
    let model: ModelSpec = serde_json::from_value(models["models"][0].clone()).unwrap();
    let set: ParameterSpec = serde_json::from_value(sets["parameter_sets"][0].clone()).unwrap();
    let mut session = Session::new(&model, &set, &Seed::new(SESSION_SEED)).unwrap();

    let wanted = json!({ "model_id": "tiny", "version": "1.0.0" });
    let unknown = json!({ "model_id": "tiny", "version": "1.0.0", "secret": 1 }).to_string();
    talk.send("refusal", "a member that the schema does not have", post("/keys", JSON, unknown));
    // {"model_id": "tiny", "version": "1.0.0"}
    let cbor = b"\xa2\x68model_id\x64tiny\x67version\x651.0.0".to_vec();
    talk.send(
        "key set, CBOR",
        "a new set of evaluation keys, in CBOR",
        post("/keys", "application/cbor", cbor),
    );
    let opened =
        tree(talk.send("key set", "a new set of evaluation keys", post("/keys", JSON, wanted.to_string())));
    let key_id = opened["key_id"].as_str().unwrap().to_owned();
    for name in session.key_names() {
        let key = session.generate_key(name).unwrap();
        let request = Request::builder().method(Method::PUT).uri(format!("/keys/{key_id}/{name}"));
        let request = request.header("content-type", "application/octet-stream").body(key).unwrap();
        talk.send(&format!("key {name}"), "a key, made in the order of the set", request);
        talk.add(|vector| vector.given("session_seed", hex(SESSION_SEED)));
    }
    let payload = session.encrypt(&VALUES).unwrap().payloads.remove(0);
    let body = json!({
        "api_version": "1.1", "model_id": "tiny", "version": "1.0.0", "batch_size": 1, "key_id": key_id,
        "inputs": [{ "encoding": "base64", "payload": BASE64.encode(&payload) }]
    });
    let accepted = tree(talk.send("inference", "an encrypted input", post("/infer", JSON, body.to_string())));
    talk.add(|vector| vector.given("values", VALUES.to_vec()).given("session_seed", hex(SESSION_SEED)));
    let path = format!("/jobs/{}", accepted["job_id"].as_str().unwrap());
    talk.send("job, queued", "a job that has not run", get(&path));
    assert!(talk.service.run_next().now_or_never().unwrap().unwrap());
    let done = tree(talk.send("job, completed", "an encrypted result", get(&path)));
    let result = BASE64.decode(done["result"]["payload"].as_str().unwrap().as_bytes()).unwrap();
    let decrypted = session.decrypt(&result).unwrap();
    talk.add(|vector| {
        let vector = vector.given("session_seed", hex(SESSION_SEED));
        vector.gives("decrypted", decrypted).gives("clear", tiny_clear(&VALUES))
    });
    File {
        name: "exchange.json",
        about: "A whole conversation with a server at secure parameters, request by request. The first seed of the session's stream is the secret key's, the next two each key's, in the order of the set, then two the input's. Keys are given by their SHA-256 and length. Only headers that say something about the protocol are listed.",
        vectors: talk.vectors,
    }
}
