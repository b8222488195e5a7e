//! The server under attack, and what a right client of it has.

use std::{
    num::NonZeroUsize,
    path::Path,
    sync::{LazyLock, Mutex, MutexGuard},
};

use ckks_client::{KeyName, ModelSpec, ParameterSpec, Session};
use ckks_core::Seed;
use edge_server::{
    Settings,
    testing::{Contract, tiny_clear, tiny_package},
};
use edge_server_native::{Config, Patience, Server, SqliteStore};
use http::{HeaderMap, Method, Request, StatusCode, header};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use ureq::Agent;

use crate::tally;

pub(crate) const JSON: &str = "application/json";
pub(crate) const CBOR: &str = "application/cbor";
pub(crate) const BYTES: &str = "application/octet-stream";

const INPUT: [f64; 4] = [0.5, -0.25, 1.0, 0.75];

/// A server that listens on TCP, and a client with its keys there.
pub(crate) struct World {
    pub(crate) server: Server<SqliteStore>,
    /// Keeps the server running.
    _runtime: Runtime,
    agent: Agent,
    contract: Contract,
    session: Mutex<Session>,
    /// A complete key set of the model `tiny`.
    pub(crate) key_id: String,
    /// A right input of the model `tiny`: a seeded ciphertext.
    pub(crate) payload: Vec<u8>,
}

/// An answer that has passed the contract.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) tree: Value,
}

impl Answer {
    /// Asserts a refusal with this code; `name` says which attack it was.
    pub(crate) fn is(&self, code: &str, name: &str) -> &Self {
        assert_eq!(self.tree["code"], code, "{name}: {} {}", self.status, self.tree);
        assert_eq!(self.tree["status"], self.status.as_u16(), "{name}");
        self
    }

    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.tree
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("no {pointer} in {}", self.tree))
    }
}

/// The one server of this program.
pub(crate) fn world() -> &'static World {
    static WORLD: LazyLock<World> = LazyLock::new(World::new);
    &WORLD
}

impl World {
    fn new() -> Self {
        tally::count_panics();
        let runtime = Runtime::new().unwrap();
        let data = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("hostile-{}", std::process::id()));
        let config = Config {
            packages: vec![tiny_package("tiny", "1.0.0", 22), tiny_package("other", "1.0.0", 23)],
            listen: ([127, 0, 0, 1], 0).into(),
            admin: None,
            assets: None,
            tls: None,
            patience: Patience::default(),
            settings: Settings::default(),
            threads: NonZeroUsize::MIN,
            traces: None,
            job_threads: NonZeroUsize::MIN,
        };
        let store = SqliteStore::open(&data).unwrap();
        let server = runtime.block_on(Server::start(config, store)).unwrap();
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .build()
            .new_agent();
        let parts = (Contract::new(), agent);
        let mut world = Self {
            session: Mutex::new(session(&parts.1, &server, "tiny", 7)),
            server,
            _runtime: runtime,
            contract: parts.0,
            agent: parts.1,
            key_id: String::new(),
            payload: Vec::new(),
        };
        world.key_id = world.open_keys("tiny");
        for name in world.key_names() {
            let key = world.key(name);
            assert_eq!(world.put_key(&world.key_id, &name.to_string(), &key).status, StatusCode::OK);
        }
        world.payload = world.encrypt(&INPUT);
        world
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap()
    }

    /// The names of the keys that the model `tiny` needs.
    pub(crate) fn key_names(&self) -> Vec<KeyName> {
        self.session().key_names()
    }

    /// Makes one of them.
    pub(crate) fn key(&self, name: KeyName) -> Vec<u8> {
        self.session().generate_key(name).unwrap()
    }

    /// Encrypts an input of the model `tiny`.
    pub(crate) fn encrypt(&self, input: &[f64]) -> Vec<u8> {
        self.session().encrypt(input).unwrap().payloads.remove(0)
    }

    /// Another client, of either model.
    pub(crate) fn other_session(&self, model_id: &str) -> Session {
        session(&self.agent, &self.server, model_id, 8)
    }

    /// Sends a request over TCP and checks the answer against the contract.
    pub(crate) fn send(&self, method: &Method, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let sent = body;
        let mut request =
            Request::builder().method(method).uri(format!("http://{}{path}", self.server.address()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.agent.run(request.body(body.to_vec()).unwrap());
        let (parts, mut body) =
            response.unwrap_or_else(|error| panic!("{method} {path}: {error}")).into_parts();
        let body = body.read_to_vec().unwrap();
        let path = path.split('?').next().unwrap();
        let tree = self.contract.check(method, path, parts.status, &parts.headers, &body);
        tally::count((method.as_str(), path, headers, sent), tree["code"].as_str());
        Answer { status: parts.status, headers: parts.headers, tree }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send(&Method::GET, path, &[], b"")
    }

    pub(crate) fn post(&self, path: &str, media: &str, body: &[u8]) -> Answer {
        self.send(&Method::POST, path, &[(header::CONTENT_TYPE.as_str(), media)], body)
    }

    pub(crate) fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.post(path, JSON, body.to_string().as_bytes())
    }

    /// Opens an empty key set.
    pub(crate) fn open_keys(&self, model_id: &str) -> String {
        let opened = self.post_json("/keys", &json!({"model_id": model_id, "version": "1.0.0"}));
        assert_eq!(opened.status, StatusCode::CREATED);
        opened.text("/key_id").to_owned()
    }

    pub(crate) fn put_key(&self, key_id: &str, name: &str, key: &[u8]) -> Answer {
        let headers = [(header::CONTENT_TYPE.as_str(), BYTES)];
        self.send(&Method::PUT, &format!("/keys/{key_id}/{name}"), &headers, key)
    }

    /// The right inference, to be made wrong.
    pub(crate) fn inference(&self) -> Value {
        self.inference_of(&self.payload)
    }

    /// An inference with another payload.
    pub(crate) fn inference_of(&self, payload: &[u8]) -> Value {
        let payload = data_encoding::BASE64.encode(payload);
        json!({
            "model_id": "tiny", "version": "1.0.0", "batch_size": 1, "key_id": self.key_id,
            "inputs": [{"encoding": "base64", "payload": payload}]
        })
    }

    /// Asserts that a right request gets the right answer, whatever was sent before.
    pub(crate) fn still_serves(&self) {
        tally::check();
        let headers = [(header::CONTENT_TYPE.as_str(), JSON), ("prefer", "wait=20")];
        let job = self.send(&Method::POST, "/infer", &headers, self.inference().to_string().as_bytes());
        assert_eq!(job.text("/status"), "completed", "{}", job.tree);
        let result = data_encoding::BASE64.decode(job.text("/result/payload").as_bytes()).unwrap();
        let found = self.session().decrypt(&result).unwrap();
        for (found, wanted) in found.iter().zip(tiny_clear(&INPUT)) {
            assert!((found - wanted).abs() < 0.01, "{found} instead of {wanted}");
        }
    }
}

/// A client session, from what the server publishes.
fn session(agent: &Agent, server: &Server<SqliteStore>, model_id: &str, seed: u8) -> Session {
    let get = |path: &str| -> Value {
        let url = format!("http://{}{path}", server.address());
        serde_json::from_slice(&agent.get(url).call().unwrap().body_mut().read_to_vec().unwrap()).unwrap()
    };
    let find = |list: &Value, field: &str, wanted: &Value| {
        list.as_array().unwrap().iter().find(|entry| entry[field] == *wanted).unwrap().clone()
    };
    let model = find(&get("/models")["models"], "model_id", &model_id.into());
    let params_id = &model["encryption_parameters"]["params_id"];
    let parameters = find(&get("/keys")["parameter_sets"], "params_id", params_id);
    let model: ModelSpec = serde_json::from_value(model).unwrap();
    let parameters: ParameterSpec = serde_json::from_value(parameters).unwrap();
    Session::new(&model, &parameters, &Seed::new([seed; 32])).unwrap()
}
